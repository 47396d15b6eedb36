"""Decoded training images in one memory-mapped file, made once from the Parquet and found again by digest.

The index holds the digest of every image. An image is compared with its own when a process first reads it: 1.8 GB a
second where the processor has instructions for SHA-256, once for each image however long the training.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from benchmark.dataset.folder import Dataset
from benchmark.training.cache.digests import ANEW, digest_of, read_index
from benchmark.training.cache.fill import clear_stale, fill_cache
from benchmark.training.cache.plan import plan_cache
from models.errors import UserError

FORMAT = 4
"""Of the cache; folders of other formats are stale."""


class DecodedCache:
    """Pairs of one split as uint8 views into a memory map.

    A unique clean image is stored once however many types share it. Use `open_cache` to get one.

    Arguments:
        folder: A finished cache folder.
        index: Its index, when that has been read already.

    Raises:
        UserError: The index is damaged.
    """

    def __init__(self, folder: Path, index: dict[str, Any] | None = None) -> None:
        index = index or read_index(folder)
        self.folder = folder
        self.rows: list[dict[str, Any]] = index["rows"]
        self._unchecked: dict[int, str] = {int(place): digest for place, digest in index["pixels"].items()}
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
        """Return the degraded image of a row, a read-only view with shape `(H, W, 3)`, uint8.

        Raises:
            UserError: Its pixels are not those that were decoded.
        """
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
        shape, place = (row["height"], row["width"], 3), row[role]
        pixels = self._pixels[place : place + shape[0] * shape[1] * 3]
        expected = self._unchecked.get(place)  # threads may check the same image twice, which does no harm
        if expected is not None:
            if digest_of(pixels) != expected:
                self._refuse(row["key"], role)
            self._unchecked.pop(place, None)
        return pixels.reshape(shape)

    def _refuse(self, key: str, role: str) -> NoReturn:
        with suppress(OSError):  # without its index, the cache is filled anew by the next command
            (self.folder / "index.json").unlink()
        raise UserError(
            f"{key}: the pixels of its {role} image in the cache {self.folder} are not those that were decoded "
            f"(their SHA-256 differs): {ANEW}; if that happens often, look at the disk"
        )

    def check(self) -> list[str]:
        """Compare all images with their digests; return a sentence for each that differs."""
        found: list[str] = []
        for number, row in enumerate(self.rows):
            for role in ("degraded", "clean"):
                if row[role] not in self._unchecked:
                    continue
                height, width = self.shape(number)
                pixels = self._pixels[row[role] : row[role] + height * width * 3]
                if digest_of(pixels) == self._unchecked[row[role]]:
                    del self._unchecked[row[role]]
                else:
                    found.append(f"{row['key']}: the pixels of its {role} image are not those that were decoded")
        return found


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
    index = whole_index(folder, facts["digest"])
    if index is None:
        fill_cache(
            dataset,
            split,
            folder,
            whole=lambda: whole_index(folder, facts["digest"]) is not None,
            workers=workers,
            progress=progress,
            announce=announce,
        )
        clear_stale(root, split, keep=folder)
    progress(facts["rows"])
    return DecodedCache(folder, index)


def whole_index(folder: Path, digest: str) -> dict[str, Any] | None:
    """Return the index of a finished cache of the split with that digest; None when it is absent or not whole."""
    try:
        index = read_index(folder)
        whole = index["digest"] == digest and (folder / "pixels.u8").stat().st_size == index["bytes"]
    except (OSError, UserError):
        return None
    return index if whole else None


def check_cache(folder: Path) -> list[str]:
    """Compare a finished cache, or all that lie in the folder `.cache` of a dataset, with their digests.

    Arguments:
        folder: A cache folder, or the one that holds such folders.

    Returns:
        What is wrong, a sentence each; nothing when all is well.
    """
    if not (folder / "index.json").is_file():
        return [
            problem for one in sorted(folder.glob(f"*-v{FORMAT}/index.json")) for problem in check_cache(one.parent)
        ]
    try:
        index = read_index(folder)
        if (folder / "pixels.u8").stat().st_size != index["bytes"]:
            return [f"{folder}: its pixels are not whole: delete the folder, it is made again"]
        return [
            f"{folder}: {problem}: delete the folder, it is made again"
            for problem in DecodedCache(folder, index).check()
        ]
    except OSError as error:
        return [f"{folder}: its pixels cannot be read ({error.strerror or error})"]
    except UserError as error:
        return [str(error)]
