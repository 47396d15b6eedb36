"""How fast patches are loaded: from the cache of decoded images, and from PNG files decoded for every patch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmark.building.run import BuildOptions, build_dataset
from benchmark.sources.samples import FileImage, Sample
from benchmark.speed.authors.training import decoded_batch
from benchmark.speed.build import write_mosaics
from benchmark.training.batches import restoration_batches
from benchmark.training.batches.order import Order
from benchmark.training.batches.patches import Patch, draw_patch
from benchmark.training.cache.read import DecodedCache
from models.images.pixels import encode_png, read

if TYPE_CHECKING:
    from torch import Tensor

SIZE = (720, 1280)
BATCH, PATCH = 8, 256
"""The patch is that of the published recipes."""
REPEATS = {"reference": 2, "ours": 12}
SEED = 0


def loader_speed(cache: DecodedCache, root: Path) -> dict[str, Any]:
    """Time both loaders on the same patches, in this process alone and with everything in the system's memory.

    Raises:
        AssertionError: They do not give the same batches.
    """
    import torch

    found: dict[str, Any] = {}
    batches: dict[str, list[tuple[Tensor, Tensor]]] = {}
    sources = {"reference": png_batches(cache, root, BATCH, PATCH), "ours": cached_batches(cache, BATCH, PATCH)}
    for way, source in sources.items():
        repeats = REPEATS[way]
        batches[way] = [next(source)]  # brings files and cache into the system's memory
        started, processor = time.perf_counter(), time.process_time()
        batches[way] += [next(source) for _ in range(repeats)]
        pairs = repeats * BATCH
        found[way] = (time.perf_counter() - started) / pairs, (time.process_time() - processor) / pairs
    for theirs, own in zip(batches["reference"], batches["ours"], strict=False):
        if not all(torch.equal(a, b) for a, b in zip(theirs, own, strict=True)):
            raise AssertionError("the cache and the PNG files do not give the same batches")
    (reference, reference_busy), (ours, ours_busy) = found["reference"], found["ours"]
    return {
        "batch": BATCH,
        "patch": PATCH,
        "reference_milliseconds": round(1000 * reference, 3),
        "milliseconds": round(1000 * ours, 3),
        "ratio": round(reference / ours, 2),
        "processor_ratio": round(reference_busy / ours_busy, 2),
    }


def cached_batches(
    cache: DecodedCache, batch: int, patch: int, *, channels_last: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield degraded and clean patches from the cache."""
    source = restoration_batches(
        cache, batch_size=batch, patch_size=patch, seed=SEED, start=0, channels_last=channels_last
    )
    for made in source:
        yield made["degraded"], made["clean"]


def png_batches(cache: DecodedCache, root: Path, batch: int, patch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of the same plan, decoded from PNG files."""
    order = Order(cache.positions(), sampling="uniform", seed=SEED)
    step = 0
    while True:
        generator = np.random.default_rng([SEED, step])
        planned: list[tuple[str, Patch]] = []
        for slot in range(batch):
            row = order.row(step * batch + slot, generator)
            planned.append((cache.key(row).split("/")[-1], draw_patch(cache.shape(row), patch, generator)))
        files = [(root / "degraded" / f"{name}.png", root / f"{name}.png") for name, _ in planned]
        yield decoded_batch(files, [patch for _, patch in planned])
        step += 1


def write_dataset(root: Path, pairs: int) -> Path:
    """Write pairs of PNG files, mosaics of the embedded photos and the same blurred, and a dataset of them."""
    (root / "degraded").mkdir()
    samples = []
    for file in write_mosaics(root, pairs, SIZE):
        degraded = root / "degraded" / file.name
        degraded.write_bytes(encode_png(np.asarray(cv2.GaussianBlur(read(file), (0, 0), 1.5))))
        key, clean = f"speed/train/{file.stem}", FileImage(file)
        samples.append(Sample(key, "motion-blurry", "train", "demo", clean=clean, degraded=FileImage(degraded)))
    build_dataset(samples, root / "dataset", recipe={}, place=BuildOptions(0))
    return root / "dataset"
