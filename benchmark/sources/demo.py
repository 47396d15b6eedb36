"""The embedded source: tiles of real photos, and a few procedural images, with all ten degradations synthesised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.degradations import DEFAULT_SPECS
from benchmark.sources.photos import PHOTOS, photo_pixels
from benchmark.sources.procedural import CAPTIONS, KINDS, draw
from benchmark.sources.samples import Sample
from benchmark.vocabulary import DEGRADATIONS, SPLITS
from models.images import encode_png

TILE = 128
"""Side of a tile in pixels."""
PAIRS_PER_TYPE = {"train": 120, "test": 12}
TILES_PER_PHOTO = 24
"""At most; large photos of one texture would otherwise outweigh the others."""
PROCEDURAL = 30
"""Procedural images in the training split."""
STRIDE = 96
FLAT = 6.0
"""Tiles whose 8-bit standard deviation is below this show nothing and are skipped."""


@dataclass(frozen=True)
class Tile:
    """A square cut out of a photo; its bytes are a PNG made on demand."""

    photo: str
    top: int
    left: int

    @property
    def name(self) -> str:
        return f"{self.photo}-{self.top}-{self.left}"

    @property
    def fingerprint(self) -> str:
        return f"{self.name}-{TILE}"

    def pixels(self) -> np.ndarray:
        """Return the tile with shape `(TILE, TILE, 3)`, uint8."""
        return photo_pixels(self.photo)[self.top : self.top + TILE, self.left : self.left + TILE]

    def read(self) -> bytes:
        return encode_png(np.ascontiguousarray(self.pixels()))


@dataclass(frozen=True)
class Drawing:
    """A procedural image; its bytes are a PNG made on demand."""

    kind: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def fingerprint(self) -> str:
        return f"{self.name}-{TILE}"

    def read(self) -> bytes:
        return encode_png(draw(self.kind, self.number, TILE))


def clean_images(split: str) -> list[tuple[Tile | Drawing, str]]:
    """Return the clean images of a split with their captions, photos taking turns so that any prefix is varied."""
    columns: list[list[tuple[Tile | Drawing, str]]] = [
        [(tile, photo.caption) for tile in _tiles(photo.name)] for photo in PHOTOS if photo.split == split
    ]
    if split == "train":
        columns.append(
            [(Drawing(KINDS[i % len(KINDS)], i), CAPTIONS[KINDS[i % len(KINDS)]]) for i in range(PROCEDURAL)]
        )
    longest = max(len(column) for column in columns)
    return [column[i] for i in range(longest) for column in columns if i < len(column)]


def _tiles(photo: str) -> list[Tile]:
    height, width = photo_pixels(photo).shape[:2]
    tiles = [Tile(photo, y, x) for y in range(0, height - TILE + 1, STRIDE) for x in range(0, width - TILE + 1, STRIDE)]
    full = [tile for tile in tiles if float(tile.pixels().std()) > FLAT]
    # Evenly spread over the photo, not its top rows.
    keep = np.linspace(0, len(full) - 1, min(len(full), TILES_PER_PHOTO)).round().astype(int)
    return [full[i] for i in keep]


def read(root: Path | None) -> Iterator[Sample]:
    """Yield the pairs of the embedded source, the same number for each of the ten types.

    Clean images are shared among the types; no photo, and no second view of its scene, is in both splits.

    Arguments:
        root: Not used, the photos come inside the pinned packages.

    Raises:
        UserError: A package no longer brings one of its photos.
    """
    for split in SPLITS:
        images = clean_images(split)
        pairs = PAIRS_PER_TYPE[split]
        for number, degradation in enumerate(DEGRADATIONS):
            # Each type starts at another place of the list, so that all images are used about equally often.
            start = number * len(images) // len(DEGRADATIONS)
            for i in range(pairs):
                image, caption = images[(start + i) % len(images)]
                yield Sample(
                    key=f"demo/{split}/{degradation}/{image.name}",
                    degradation=degradation,
                    split=split,
                    source="demo",
                    clean=image,
                    spec=DEFAULT_SPECS[degradation],
                    caption=caption,
                )
