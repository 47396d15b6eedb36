"""Pairs of images in memory, and datasets made of them, for tests of the audit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from benchmark.building.run import build_dataset
from benchmark.dataset.folder import Dataset
from benchmark.degradations.specs.pipeline import DEFAULT_SPECS, apply
from benchmark.sources.demo import tiles
from benchmark.sources.samples import Sample
from models.files import sha256_bytes
from models.images.pixels import encode_png


@dataclass(frozen=True)
class Stored:
    """An image file in memory."""

    name: str
    data: bytes

    @property
    def fingerprint(self) -> str:
        return sha256_bytes(self.data)

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def files(self) -> tuple[Path, ...]:
        return ()

    def read(self) -> bytes:
        return self.data


@dataclass(frozen=True, eq=False)
class MadePair:
    """A pair that is stored as it is, as sources distribute them."""

    key: str
    degradation: str
    degraded: np.ndarray
    clean: np.ndarray
    split: str = "test"
    source: str = "made"


@functools.lru_cache(maxsize=2)
def photos(count: int) -> tuple[np.ndarray, ...]:
    """Return `count` different tiles of 128x128 pixels of the embedded photos."""
    train = tiles("train", 480)
    chosen = [*tiles("test", 20)[: count // 2], *train[:: len(train) // count]]
    return tuple(tile.pixels() for tile in chosen[:count])


@functools.lru_cache(maxsize=16)
def right_pairs(degradation: str, count: int = 20) -> tuple[MadePair, ...]:
    """Return pairs without any fault."""
    spec = DEFAULT_SPECS[degradation]
    return tuple(
        MadePair(f"{degradation}/{i}", degradation, apply(spec, clean, seed=0, key=str(i)), clean)
        for i, clean in enumerate(photos(count))
    )


def displaced(pair: MadePair, x: float) -> MadePair:
    """Move the degraded image to the right by `x` pixels and cut off what is not covered by both."""
    margin = int(np.ceil(x)) + 1
    matrix = np.array([[1, 0, x], [0, 1, 0]], np.float32)
    size = (pair.clean.shape[1], pair.clean.shape[0])
    moved = cv2.warpAffine(pair.degraded, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    inner = slice(margin, -margin)
    return replace(pair, degraded=moved[inner, inner].copy(), clean=pair.clean[inner, inner].copy())


def build(pairs: Sequence[MadePair], out: Path) -> Dataset:
    """Build a dataset of pairs."""
    samples = [
        Sample(
            key=pair.key,
            degradation=pair.degradation,
            split=pair.split,
            source=pair.source,
            clean=Stored(f"{pair.key} clean", encode_png(pair.clean)),
            degraded=Stored(f"{pair.key} degraded", encode_png(pair.degraded)),
        )
        for pair in pairs
    ]
    build_dataset(samples, out, recipe={})
    return Dataset(out)
