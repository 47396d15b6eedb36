"""Decoded training images in one memory-mapped file, made once from the Parquet and found again by digest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.dataset import Dataset
from models.errors import UserError
from models.files import read_json, write_json
from models.images import decode


class DecodedCache:
    """Pairs of one split as uint8 views into a memory map.

    A unique clean image is stored once however many types share it. Use `open_cache` to get one.

    Arguments:
        folder: A finished cache folder.
    """

    def __init__(self, folder: Path) -> None:
        index: dict[str, Any] = read_json(folder / "index.json", "cache index")
        self.rows: list[dict[str, Any]] = index["rows"]
        self._pixels = np.memmap(folder / "pixels.u8", dtype=np.uint8, mode="r")

    def __len__(self) -> int:
        return len(self.rows)

    def pair(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Return `(degraded, clean)` of a row, each a read-only view with shape `(H, W, 3)`."""
        row = self.rows[position]
        shape = (row["height"], row["width"], 3)
        size = shape[0] * shape[1] * 3
        degraded = self._pixels[row["degraded"] : row["degraded"] + size].reshape(shape)
        clean = self._pixels[row["clean"] : row["clean"] + size].reshape(shape)
        return degraded, clean

    def positions(self) -> dict[str, np.ndarray]:
        """Return the row numbers of each degradation."""
        found: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            found.setdefault(row["degradation"], []).append(number)
        return {word: np.asarray(numbers) for word, numbers in found.items()}


def cache_size(dataset: Dataset, split: str) -> int:
    """Return the bytes that the cache of a split takes on disk."""
    clean: dict[str, int] = {}
    total = 0
    for row in dataset.index(split):
        size = row["width"] * row["height"] * 3
        total += size
        clean[row["clean_sha256"]] = size
    return total + sum(clean.values())


def open_cache(dataset: Dataset, split: str, *, progress: Callable[[int], None] = lambda done: None) -> DecodedCache:
    """Return the cache of a split, decoding the images first when it is not there yet.

    Arguments:
        dataset: The dataset.
        split: `"train"` or `"test"`.
        progress: Called with the number of pairs decoded.

    Raises:
        UserError: The disk has no room for it.
    """
    root = dataset.folder / ".cache"
    folder = root / f"{split}-{dataset.split(split)['digest'][:16]}-v2"
    if (folder / "index.json").is_file():
        progress(dataset.split(split)["rows"])
        return DecodedCache(folder)
    need = cache_size(dataset, split)
    root.mkdir(exist_ok=True)
    if need > shutil.disk_usage(root).free:
        raise UserError(f"decoding {split} needs {need / 1e9:.1f} GB in {root}, more than is free: make room first")
    partial = root / f".{folder.name}.{os.getpid()}.partial"
    partial.mkdir()
    try:
        _fill(dataset, split, partial, progress)
        if not folder.exists():
            os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return DecodedCache(folder)


def _fill(dataset: Dataset, split: str, folder: Path, progress: Callable[[int], None]) -> None:
    offsets: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    columns = ["key", "degradation", "degradations", "width", "height", "clean_sha256", "degraded", "clean"]
    with open(folder / "pixels.u8", "wb") as handle:
        for number, row in enumerate(dataset.rows(split, columns), start=1):
            degraded_at = handle.tell()
            handle.write(decode(row["degraded"]["bytes"]).tobytes())
            if row["clean_sha256"] not in offsets:
                offsets[row["clean_sha256"]] = handle.tell()
                handle.write(decode(row["clean"]["bytes"]).tobytes())
            rows.append(
                {
                    "key": row["key"],
                    "degradation": row["degradation"],
                    "words": ", ".join(row["degradations"]),
                    "width": row["width"],
                    "height": row["height"],
                    "degraded": degraded_at,
                    "clean": offsets[row["clean_sha256"]],
                }
            )
            progress(number)
    write_json(folder / "index.json", {"rows": rows})
