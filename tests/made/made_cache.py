"""A small cache of decoded pairs of several sizes and types, made without a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.training.cache.digests import digest_of, write_index
from benchmark.training.cache.read import DecodedCache

SIZES = [(70, 90), (40, 64), (64, 64), (33, 150), (90, 41), (64, 64), (20, 24), (64, 64), (50, 50), (70, 90), (9, 64)]
"""Some are smaller than the patches that tests cut, two not even half as large."""
TYPES = ("noisy", "hazy", "noisy", "rainy", "noisy")


def made_cache(folder: Path) -> DecodedCache:
    """Write eleven pairs of noise; rows 2 and 5 share their clean image."""
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    pixels: list[np.ndarray] = []
    digests: dict[str, str] = {}
    place = 0
    for number, (height, width) in enumerate(SIZES):
        word = TYPES[number % len(TYPES)]
        row = {"key": f"made/{number}", "degradation": word, "words": word, "width": width, "height": height}
        for role in ("degraded", "clean"):
            if (number, role) == (5, "clean"):
                row[role] = rows[2][role]
                continue
            row[role] = place
            pixels.append(generator.integers(0, 256, height * width * 3, dtype=np.uint8))
            digests[str(place)] = digest_of(pixels[-1])
            place += height * width * 3
        rows.append(row)
    folder.mkdir(parents=True, exist_ok=True)
    np.concatenate(pixels).tofile(folder / "pixels.u8")
    write_index(folder, digest="", size=place, rows=rows, pixels=digests)
    return DecodedCache(folder)
