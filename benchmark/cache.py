"""Decoded training images in one memory-mapped file, made once from the Parquet and found again by digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.cache_fill import clear_stale, fill_cache
from benchmark.cache_plan import plan_cache
from benchmark.dataset import Dataset
from models.files import read_json

FORMAT = 3
"""Of the cache; folders of other formats are stale."""


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

    def key(self, position: int) -> str:
        """Return the key of a row."""
        return self.rows[position]["key"]

    def shape(self, position: int) -> tuple[int, int]:
        """Return height and width of a row's images."""
        row = self.rows[position]
        return row["height"], row["width"]

    def degraded(self, position: int) -> np.ndarray:
        """Return the degraded image of a row, a read-only view with shape `(H, W, 3)`, uint8."""
        return self._view(position, "degraded")

    def clean(self, position: int) -> np.ndarray:
        """Return the clean image of a row, a read-only view with shape `(H, W, 3)`, uint8."""
        return self._view(position, "clean")

    def pair(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Return `(degraded, clean)` of a row, each a read-only view with shape `(H, W, 3)`."""
        return self.degraded(position), self.clean(position)

    def positions(self) -> dict[str, np.ndarray]:
        """Return the row numbers of each degradation."""
        found: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            found.setdefault(row["degradation"], []).append(number)
        return {word: np.asarray(numbers) for word, numbers in found.items()}

    def _view(self, position: int, role: str) -> np.ndarray:
        row = self.rows[position]
        shape = (row["height"], row["width"], 3)
        return self._pixels[row[role] : row[role] + shape[0] * shape[1] * 3].reshape(shape)


def cache_size(dataset: Dataset, split: str) -> int:
    """Return the bytes that the cache of a split takes on disk."""
    return plan_cache(dataset.index(split))[1]


def open_cache(
    dataset: Dataset,
    split: str,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
    announce: Callable[[str], None] = lambda sentence: None,
) -> DecodedCache:
    """Return the cache of a split, decoding the images first when it is not there yet.

    Several processes may ask at once, as those of one training do: one decodes, the others wait. A killed decoding is
    continued by the next. A cache of a dataset that has been rebuilt since is stale, and removed.

    Arguments:
        dataset: The dataset.
        split: `"train"` or `"test"`.
        workers: Processes that decode, 0 for none but this one; None for as many as there are processors when the set
            is large, else 0.
        progress: Called with the number of pairs decoded.
        announce: Called with a sentence that tells the size, before anything is decoded.

    Raises:
        UserError: The disk has no room for it, the folder cannot be written, or an image cannot be decoded.
    """
    facts = dataset.split(split)
    root = dataset.folder / ".cache"
    folder = root / f"{split}-{facts['digest'][:16]}-v{FORMAT}"
    if not is_whole(folder, facts["digest"]):
        fill_cache(
            dataset,
            split,
            folder,
            whole=lambda: is_whole(folder, facts["digest"]),
            workers=workers,
            progress=progress,
            announce=announce,
        )
        clear_stale(root, split, keep=folder)
    progress(facts["rows"])
    return DecodedCache(folder)


def is_whole(folder: Path, digest: str) -> bool:
    """Tell whether a folder holds a finished cache of the split with that digest, with all its pixels."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return index["digest"] == digest and (folder / "pixels.u8").stat().st_size == index["bytes"]
    except (OSError, ValueError, KeyError):
        return False
