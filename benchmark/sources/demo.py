"""The embedded demo source: tiles of photos that come inside the pinned packages, under all ten degradations."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources.cards import SourceCard
from benchmark.sources.embedded.photos import PHOTOS, Photo
from benchmark.sources.embedded.procedural import PROCEDURAL, Procedural
from benchmark.sources.samples import Sample
from models.errors import UserError
from models.images.pixels import encode_png
from models.vocabulary import DEGRADATIONS, SPLITS

CARD = SourceCard(
    name="demo",
    target="benchmark.sources.demo:read",
    title="Embedded demo photos",
    degradations=DEGRADATIONS,
    licence="per photo: public domain, CC0, CC BY 2.0, no known restrictions, or none stated (listed below)",
    citation="Photos distributed inside scikit-image, scikit-learn and matplotlib",
    embedded=True,
)

TRAIN_PAIRS = 240
TEST_PAIRS = 20
"""Pairs of one degradation in each split; the same clean tiles serve several types."""

TRAIN_TILES = 480
"""Clean tiles for training: more than the pairs of one type, so that each type sees its own half of them."""

SIDE = 128
STRIDE = 48
FLAT = 5.0  # grey levels; a tile with less detail (see `_detail`) shows neither blur nor restoration
BLACK = 14  # grey levels; a tile that is darker than this nearly everywhere shows neither shadow nor low light

Picture = Photo | Procedural
PICTURES: dict[str, Picture] = {picture.name: picture for picture in (*PHOTOS, *PROCEDURAL)}


@dataclass(frozen=True)
class Tile:
    """A square cut out of an embedded picture; hands over PNG bytes and survives pickling.

    Arguments:
        picture: Name of the photo or procedural picture.
        top: First row.
        left: First column.
        side: Height and width in pixels.
    """

    picture: str
    top: int
    left: int
    side: int = SIDE

    @property
    def name(self) -> str:
        return f"{self.picture} [{self.side}x{self.side}+{self.left}+{self.top}]"

    @property
    def fingerprint(self) -> str:
        return self.name

    @property
    def size(self) -> int:
        return 2 * self.side * self.side  # a photo's PNG takes about two bytes a pixel

    @property
    def files(self) -> tuple[Path, ...]:
        return ()

    def pixels(self) -> np.ndarray:
        """Return the tile with shape `(side, side, 3)`, uint8 RGB."""
        whole = PICTURES[self.picture].pixels()
        return np.ascontiguousarray(whole[self.top : self.top + self.side, self.left : self.left + self.side])

    def read(self) -> bytes:
        """Return the tile as PNG."""
        return encode_png(self.pixels())


def read(tree: None = None) -> Iterator[Sample]:
    """Yield the demo pairs: ten degradations on tiles of the embedded photos, split by photo.

    Keys are `demo/<split>/<degradation>/<picture>-<top>-<left>`.

    Arguments:
        tree: Must be None; the source needs no files.

    Returns:
        Samples in a fixed order: train before test, then by degradation.

    Raises:
        UserError: Files were given, or a package that holds a photo is missing.
    """
    if tree is not None:
        raise UserError("the demo source is embedded and takes no folder: write --source demo")
    for split in SPLITS:
        for index, degradation in enumerate(DEGRADATIONS):
            for tile in _tiles_of(split, index):
                yield Sample(
                    key=f"demo/{split}/{degradation}/{tile.picture}-{tile.top}-{tile.left}",
                    degradation=degradation,
                    split=split,
                    source="demo",
                    clean=tile,
                    spec=DEFAULT_SPECS[degradation],
                    seed=0,
                    caption=PICTURES[tile.picture].caption,
                )


def _tiles_of(split: str, index: int) -> list[Tile]:
    if split == "test":
        return list(tiles("test", TEST_PAIRS))
    # Every other tile of each picture, starting at the first or the second: all types see all pictures equally often.
    seen: Counter[str] = Counter()
    halves: tuple[list[Tile], list[Tile]] = ([], [])
    for tile in tiles("train", TRAIN_TILES):
        halves[seen[tile.picture] % 2].append(tile)
        seen[tile.picture] += 1
    # Pictures with an odd number of tiles leave the first half longer; what it has too many goes to the second.
    ours, other = (halves[0], halves[1]) if index % 2 == 0 else (halves[1], halves[0])
    return (ours + other[TRAIN_PAIRS:])[:TRAIN_PAIRS]


@functools.lru_cache(maxsize=8)
def tiles(split: str, count: int) -> tuple[Tile, ...]:
    """Return `count` tiles of a split, taken in rounds over its pictures so that all of them are present.

    Arguments:
        split: `"train"` or `"test"`.
        count: Number of tiles.

    Raises:
        UserError: The pictures do not hold so many tiles that are not flat.
    """
    queues = {p: candidates(p) for p in PICTURES.values() if p.split == split}
    taken: list[Tile] = []
    while len(taken) < count:
        before = len(taken)
        for picture, queue in queues.items():
            taken += queue[: picture.weight]
            del queue[: picture.weight]
        if len(taken) == before:
            raise UserError(f"the {split} pictures hold only {before} tiles, {count} are needed")
    return tuple(taken[:count])


def candidates(picture: Picture) -> list[Tile]:
    """Return the tiles of a picture that are neither flat nor black, ordered so that any first few lie far apart."""
    pixels = picture.pixels()
    detail, black = _detail(pixels), pixels.max(axis=2) < BLACK
    found = [
        (float(detail[top : top + SIDE, left : left + SIDE].std()), Tile(picture.name, top, left))
        for top in _starts(pixels.shape[0])
        for left in _starts(pixels.shape[1])
    ]
    textured = [(strength, tile) for strength, tile in found if strength >= FLAT and _share(black, tile) < 0.75]
    if not textured:
        return []
    places = np.array([(tile.top, tile.left) for _, tile in textured], float)
    # Farthest-point order, begun at the tile with most detail.
    order = [int(np.argmax([strength for strength, _ in textured]))]
    distance = np.full(len(textured), np.inf)
    while len(order) < len(textured):
        distance = np.minimum(distance, np.abs(places - places[order[-1]]).sum(axis=1))
        order.append(int(np.argmax(distance)))
    return [textured[i][1] for i in order]


def _detail(pixels: np.ndarray) -> np.ndarray:
    """Return the luminance between the scales of 1.5 and 8 pixels: without grain and without slow gradients."""
    luminance = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return cv2.GaussianBlur(luminance, (0, 0), 1.5) - cv2.GaussianBlur(luminance, (0, 0), 8)


def _share(black: np.ndarray, tile: Tile) -> float:
    return float(black[tile.top : tile.top + SIDE, tile.left : tile.left + SIDE].mean())


def _starts(length: int) -> range:
    return range(0, length - SIDE + 1, STRIDE)
