"""The digests of decoded images: in the index of a finished cache, and in the marks of a filling that goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.training.cache.plan import GroupJob
from models.errors import UserError
from models.files import read_sealed, write_sealed

ANEW = "run the same command again, which decodes the images anew"

Digests = Mapping[str, str]
"""SHA-256 of the pixels of an image, by the place of its first byte; places are texts, as in JSON."""


def digest_of(pixels: np.ndarray) -> str:
    """Return the SHA-256 of pixels that lie one after the other, whatever their shape."""
    return hashlib.sha256(pixels.reshape(-1).data).hexdigest()


def write_index(folder: Path, *, digest: str, size: int, rows: Iterable[Mapping[str, Any]], pixels: Digests) -> None:
    """Write `index.json`, which makes a cache whole.

    Arguments:
        folder: The cache folder.
        digest: Of the split.
        size: Bytes of all pixels.
        rows: See `benchmark.training.cache.plan.plan_cache`.
        pixels: Digest of every image.
    """
    write_sealed(folder / "index.json", {"digest": digest, "bytes": size, "rows": list(rows), "pixels": dict(pixels)})


def read_index(folder: Path) -> dict[str, Any]:
    """Read `index.json`.

    Raises:
        UserError: It is absent, damaged, or names places that are none.
    """
    file = folder / "index.json"
    index = read_sealed(file, "cache index", remedy=ANEW)
    try:
        sound = all(_is_row(row, index) for row in index["rows"])
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise UserError(f"cache index {file} is not as this program writes it: delete {folder}")
    return index


def write_mark(job: GroupJob, pixels: Digests) -> None:
    """Tell on disk that a row group is done, with the digests of what was written."""
    write_sealed(job.done, {"pixels": dict(pixels)})


def read_mark(job: GroupJob) -> dict[str, str] | None:
    """Return the digests in the mark of a row group; None when there is no mark, or a damaged one."""
    try:
        found = read_sealed(job.done, "mark of a row group", remedy=ANEW).get("pixels")
    except UserError:
        return None
    return found if isinstance(found, dict) and found.keys() == places(job).keys() else None


def is_sound(job: GroupJob, pixels: np.ndarray) -> bool:
    """Tell whether a row group is done and its pixels are still those that were written.

    Arguments:
        job: The row group.
        pixels: All pixels of the cache.
    """
    found = read_mark(job)
    return found is not None and all(
        digest_of(pixels[int(place) : int(place) + size]) == found[place] for place, size in places(job).items()
    )


def places(job: GroupJob) -> dict[str, int]:
    """Return the places that a row group fills, with their sizes in bytes."""
    found: dict[str, int] = {}
    for row, clean in zip(job.rows, job.clean, strict=True):
        for role in ("degraded", "clean")[: 1 + clean]:
            found[str(row[role])] = _size(row)
    return found


def _is_row(row: Mapping[str, Any], index: Mapping[str, Any]) -> bool:
    texts = all(isinstance(row[name], str) for name in ("key", "degradation", "words"))
    whole = all(isinstance(row[name], int) and row[name] >= 0 for name in ("height", "width", "degraded", "clean"))
    last = max(row["degraded"], row["clean"]) + _size(row)
    return (
        texts
        and whole
        and last <= index["bytes"]
        and {str(row["degraded"]), str(row["clean"])} <= index["pixels"].keys()
    )


def _size(row: Mapping[str, Any]) -> int:
    return row["height"] * row["width"] * 3
