"""The pages that the demo ends with: a gallery of restored photos and a sheet of the ten degradations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.dataset.folder import Dataset, Pair
from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.metrics.psnr import psnr
from benchmark.report.contact_sheet import degradation_sheet
from benchmark.report.gallery import GalleryItem, RestoredImage, write_gallery
from benchmark.report.leaderboard import read_records, table_sections
from benchmark.sources.embedded.photos import PHOTOS
from models.files import write_bytes
from models.images.pixels import encode_png, read

PER_TYPE = 2
"""Gallery entries of each degradation."""
SHEET_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def write_pages(out: Path, *, data: Path, boards: Path, images: Path) -> Path:
    """Write the gallery and the contact sheet of a finished demo.

    Arguments:
        out: The demo's folder.
        data: Its dataset.
        boards: Its leaderboards.
        images: Restored images, a folder a method.

    Returns:
        The gallery page.
    """
    dataset = Dataset(data)
    records = read_records(boards)
    titles = {r.method.name: r.method.title for r in records.results if r.method.name != "input"}
    captions = {row["key"]: row["caption"] for row in dataset.captions("test")}
    gallery = out / "gallery.html"
    write_gallery(
        gallery,
        title="Demo: ten degradations, restored",
        intro="Held-out photos, degraded and restored by small networks trained for a minute or two on other photos.",
        summary=[s for s in table_sections("3", records=records) if s.kind == "measured" and s.level == 2],
        items=_items(dataset, images, titles, captions),
    )
    photos = {photo.name: photo for photo in PHOTOS}
    crops = [(name, np.ascontiguousarray(photos[name].pixels()[60:290, 100:330])) for name in SHEET_PHOTOS]
    write_bytes(out / "degradations.png", encode_png(degradation_sheet(crops)))
    return gallery


def _items(dataset: Dataset, images: Path, titles: dict[str, str], captions: dict[str, str]) -> Iterator[GalleryItem]:
    shown = dict.fromkeys(DEFAULT_SPECS, 0)
    for pair in dataset.pairs("test"):
        if shown[pair.degradation] == PER_TYPE:
            continue
        shown[pair.degradation] += 1
        yield GalleryItem(
            key=pair.key,
            degradation=pair.degradation,
            degraded=pair.degraded,
            clean=pair.clean,
            restored={title: _restored(images / name, pair) for name, title in titles.items()},
            degraded_psnr=psnr(pair.degraded, pair.clean),
            caption=captions[pair.key],
        )


def _restored(folder: Path, pair: Pair) -> RestoredImage:
    pixels = read(folder / f"{pair.key}.png")
    return RestoredImage(pixels=pixels, psnr=psnr(pixels, pair.clean))
