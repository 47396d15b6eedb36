"""A page of pictures: degraded, restored and clean side by side, with a before/after slider; one file, no network."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.tables.view import Section
from models.errors import UserError
from models.files import write_text
from models.images.pixels import encode_png
from models.markdown import shown
from models.vocabulary import check_word, in_order, label


@dataclass(frozen=True, eq=False)
class RestoredImage:
    """What one method made of an image, with its PSNR in dB when it is known."""

    pixels: np.ndarray
    psnr: float | None = None


@dataclass(frozen=True, eq=False)
class GalleryItem:
    """One photo of the gallery.

    Arguments:
        key: The pair's key.
        degradation: Its type.
        degraded: Pixels with shape `(H, W, 3)`, uint8, RGB.
        clean: The same without degradation, or None when it is not known.
        restored: What each method made of it, `{title: image}`, in the order in which they are shown.
        degraded_psnr: PSNR of the degraded image in dB, when it is known.
        caption: A line of text about the photo.

    Raises:
        UserError: The type is no word that can name one, or the images are not uint8 RGB of one size.
    """

    key: str
    degradation: str
    degraded: np.ndarray
    clean: np.ndarray | None = None
    restored: Mapping[str, RestoredImage] = field(default_factory=dict)
    degraded_psnr: float | None = None
    caption: str | None = None

    def __post_init__(self) -> None:
        check_word(self.degradation)
        images = {"degraded": self.degraded, **{title: image.pixels for title, image in self.restored.items()}}
        if self.clean is not None:
            images["clean"] = self.clean
        for name, pixels in images.items():
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                raise UserError(f"{self.key}: {name} is {pixels.dtype} {pixels.shape}, expected uint8 (H, W, 3)")
            if pixels.shape != self.degraded.shape:
                raise UserError(f"{self.key}: {name} is {pixels.shape}, but degraded is {self.degraded.shape}")


def write_gallery(
    path: Path, *, title: str, intro: str = "", summary: Sequence[Section] = (), items: Iterable[GalleryItem]
) -> Path:
    """Write the gallery as one HTML file with the pictures inside; it opens from disk and asks for nothing else.

    Arguments:
        path: The HTML file.
        title: Heading.
        intro: A paragraph of plain text below it.
        summary: Tables shown above the pictures, e.g. the measured sections of Table 3.
        items: The photos; they are sorted by degradation, then by key. Keep them few: every picture is inside the page.

    Returns:
        `path`.
    """
    write_text(path, render_gallery(title=title, intro=intro, summary=summary, items=items))
    return path


def render_gallery(
    *, title: str, intro: str = "", summary: Sequence[Section] = (), items: Iterable[GalleryItem]
) -> str:
    """Return the gallery page as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        keep_trailing_newline=True,
    )
    items = list(items)
    order = in_order(item.degradation for item in items)
    ordered = sorted(items, key=lambda item: (order.index(item.degradation), item.key))
    prepared = [_item(item) for item in ordered]
    words = dict.fromkeys(item.degradation for item in ordered)
    methods = dict.fromkeys(name for item in ordered for name in item.restored)
    return environment.get_template("gallery.html.j2").render(
        title=title,
        intro=intro,
        summary=summary,
        items=prepared,
        types=[(word, label(word), sum(item.degradation == word for item in ordered)) for word in words],
        methods=list(methods),
    )


def _visible(value: Any) -> Any:
    """Return a value as the page shows it: what is not seen in a text is shown as its code."""
    return "\n".join(shown(line) for line in value.split("\n")) if isinstance(value, str) else value


def _item(item: GalleryItem) -> dict[str, Any]:
    """Prepare an item for the template: its pictures from degraded to clean, and which one is best."""
    scored = {name: image.psnr for name, image in item.restored.items() if image.psnr is not None}
    start = max(scored, key=lambda name: scored[name]) if scored else next(iter(item.restored), None)
    pictures = [_picture("Degraded", "degraded", item.degraded, item.degraded_psnr)]
    pictures += [_picture(name, "method", image.pixels, image.psnr) for name, image in item.restored.items()]
    # The degraded image takes part: a method that makes a photo worse is not the best of it.
    values = [item.degraded_psnr, *[image.psnr for image in item.restored.values()]]
    known = [value for value in values if value is not None]
    for picture, value in zip(pictures, values, strict=True):
        picture["best"] = len(known) > 1 and value == max(known)
    if item.clean is not None:
        pictures.append(_picture("Clean", "clean", item.clean, None))
    height, width = item.degraded.shape[:2]
    return {
        "key": item.key,
        "word": item.degradation,
        "label": label(item.degradation),
        "caption": item.caption,
        "pictures": pictures,
        # The slider starts with the best method; without one, with the clean image; without that, with itself.
        "start": start or pictures[-1]["name"],
        "width": width,
        "height": height,
    }


def _picture(name: str, role: str, pixels: np.ndarray, psnr: float | None) -> dict[str, Any]:
    data = base64.b64encode(encode_png(np.ascontiguousarray(pixels))).decode("ascii")
    score = None if psnr is None else "∞ dB" if math.isinf(psnr) else f"{psnr:.2f} dB"
    return {"name": name, "role": role, "score": score, "best": False, "src": f"data:image/png;base64,{data}"}
