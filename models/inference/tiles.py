"""Cutting a batch into tiles that join without seams: exactly where a network's reach is known, else by blending."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from models.errors import UserError
from models.inference.cpu import release_buffers
from models.networks.padding import Padding, pad

SMALLEST_TILE = 64


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What sizes a network accepts, and in what pieces it is given an image.

    Arguments:
        padding: What sizes there are, and how an image is extended to one.
        tile: Height and width of the tiles; None for the whole image at once. They are rounded down to accepted sizes.
        overlap: Pixels that neighbouring tiles share where they are blended, rounded up to accepted sizes. Over the
            middle half of them the tiles blend into each other; the outer quarters are thrown away, because there a
            tile does not see its surroundings.
        reach: How far the input can influence an output pixel, where that is known: then tiles overlap by as much, and
            of each only the pixels that saw all their surroundings are used, so that the result is that of the whole
            image.

    Raises:
        UserError: The overlap is negative, or the tile too small for it or for the network.
    """

    padding: Padding
    tile: tuple[int, int] | None = None
    overlap: int = 32
    reach: int | None = None

    def __post_init__(self) -> None:
        if self.overlap < 0:
            raise UserError(f"the overlap of tiles cannot be negative (got {self.overlap})")
        if self.tile is None:
            return
        multiple, least = self.padding.multiple_of, self.least
        height, width = (side // multiple * multiple for side in self.tile)
        object.__setattr__(self, "tile", (height, width))
        if min(height, width) < least:
            raise UserError(
                f"tiles of {min(self.tile)} pixels are too small: they must be at least {least}, so that neighbours "
                f"overlap by {self.shared}, and a multiple of {multiple}"
            )

    @property
    def margin(self) -> int:
        """Pixels at each inner edge of a tile that an exact network needs to see but does not get right."""
        return 0 if self.reach is None else _up(self.reach, self.padding.multiple_of)

    @property
    def shared(self) -> int:
        """Pixels that neighbouring tiles share."""
        return _up(self.overlap, self.padding.multiple_of) if self.reach is None else 2 * self.margin

    @property
    def least(self) -> int:
        """Side of the smallest tile that makes headway."""
        multiple = self.padding.multiple_of
        return max(_up(self.padding.minimum_size, multiple), self.shared + multiple)


@dataclass(frozen=True)
class Span:
    """One tile along one side: from `begin` to `end`, of which `first` to `last` is used."""

    begin: int
    end: int
    first: int
    last: int


def apply_in_tiles(
    apply: Callable[[Tensor], Tensor],
    batch: Tensor,
    fit: Fit,
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Apply a network to a batch of any size: padded, tile by tile when asked, and cropped back.

    Arguments:
        apply: Takes `(B, C, h, w)` of an accepted size and returns `(B, 3, h, w)`.
        batch: With shape `(B, C, H, W)`.
        fit: Accepted sizes, and the tiles.
        progress: Called after each tile but the last one with the share of the tiles that are done.

    Returns:
        The results with shape `(B, 3, H, W)`, float32.
    """
    height, width = batch.shape[2:]
    padded, top, left = pad(batch, fit.padding)
    inside = (..., slice(top, top + height), slice(left, left + width))
    rows, columns = _both_ways((padded.shape[2], padded.shape[3]), fit)
    if len(rows) == len(columns) == 1:
        return apply(padded)[inside].float()
    total = padded.new_zeros(len(padded), 3, *padded.shape[2:])
    places = list(product(range(len(rows)), range(len(columns))))
    # The weights of a tile are a product of one along each side, and so is their sum over all tiles.
    weights = [_weights(part, fit.shared, padded) for part in (rows, columns)] if fit.reach is None else None
    for done, (i, j) in enumerate(places):
        if done:
            progress(done / len(places))
        release_buffers()  # the pieces that are left of what was computed before need not fit
        row, column = rows[i], columns[j]
        part = apply(padded[..., row.begin : row.end, column.begin : column.end])
        if weights is not None:
            down, across = weights
            total[..., row.begin : row.end, column.begin : column.end] += part * down[i][:, None] * across[j]
        else:
            used = part[..., _used(row), _used(column)]
            total[..., row.first : row.last, column.first : column.last] = used
    return total[inside]


def spans(size: int, tile: int, fit: Fit) -> list[Span]:
    """Return the tiles along one side of `size` pixels; a tile of 0 pixels stands for the whole side."""
    if tile == 0 or size <= tile:
        return [Span(0, size, 0, size)]
    return _blended(size, tile, fit) if fit.reach is None else _exact(size, tile, fit)


def area(size: tuple[int, int], fit: Fit) -> int:
    """Return how many pixels are computed in all for an image of an accepted size."""
    rows, columns = _both_ways(size, fit)
    return sum(row.end - row.begin for row in rows) * sum(column.end - column.begin for column in columns)


def count(size: tuple[int, int], fit: Fit) -> int:
    """Return in how many pieces an image of an accepted size is computed."""
    rows, columns = _both_ways(size, fit)
    return len(rows) * len(columns)


def best_tile(size: tuple[int, int], pixels: int, fit: Fit) -> tuple[int, int] | None:
    """Return height and width of the tiles of at most `pixels` pixels that compute the fewest pixels twice.

    Arguments:
        size: Height and width of the image, accepted by the network.
        pixels: Largest area of a tile.
        fit: How tiles join; its own tile does not matter.

    Returns:
        The tile, or None when not even the smallest has so few pixels.
    """
    multiple, least = fit.padding.multiple_of, smallest(fit)
    step = max(multiple, 16 // multiple * multiple)
    found: list[tuple[int, int, int]] = []
    for height in range(least, max(least, size[0]) + step, step):
        width = min(pixels // min(height, size[0]), max(least, size[1])) // multiple * multiple
        if width >= min(least, size[1]):
            tile = (height, max(width, least))
            found.append((area(size, replace(fit, tile=tile)), *tile))
    return min(found)[1:] if found else None


def smallest(fit: Fit) -> int:
    """Return the side of the smallest tile that is worth its margins."""
    return max(fit.least, _up(SMALLEST_TILE, fit.padding.multiple_of))


def _both_ways(size: tuple[int, int], fit: Fit) -> tuple[list[Span], list[Span]]:
    """Return the tiles from top to bottom and from left to right of an image with a height and a width."""
    height, width = fit.tile or (0, 0)
    return spans(size[0], height, fit), spans(size[1], width, fit)


def _exact(size: int, tile: int, fit: Fit) -> list[Span]:
    """Cut a side into tiles of which each hands over to the next where both see all that they need."""
    found = []
    begin = first = 0
    while begin + tile < size:
        last = begin + tile - fit.margin
        found.append(Span(begin, begin + tile, first, last))
        begin, first = last - fit.margin, last
    # The last tile is as small as can be.
    begin = min(begin, size - _up(fit.padding.minimum_size, fit.padding.multiple_of))
    return [*found, Span(max(begin, 0), size, first, size)]


def _blended(size: int, tile: int, fit: Fit) -> list[Span]:
    """Cut a side into equal tiles, as few and then as small as cover it with the overlap that is asked for."""
    multiple, shared = fit.padding.multiple_of, fit.shared
    count = math.ceil((size - shared) / (tile - shared))
    side = max(fit.least, _up(math.ceil((size + (count - 1) * shared) / count), multiple))
    begins = [*(i * (side - shared) for i in range(count - 1)), size - side]
    return [Span(begin, begin + side, begin, begin + side) for begin in begins]


def _up(size: int, multiple: int) -> int:
    return math.ceil(size / multiple) * multiple


def _used(span: Span) -> slice:
    return slice(span.first - span.begin, span.last - span.begin)


def _weights(tiles: list[Span], overlap: int, like: Tensor) -> list[Tensor]:
    """Return the weights of the pixels of tiles along one side; over all tiles they add up to 1 for every pixel."""
    size = tiles[-1].end
    ramps = [_ramp(span, size, overlap, like.device) for span in tiles]
    total = torch.zeros(size, device=like.device)
    for span, ramp in zip(tiles, ramps, strict=True):
        total[span.begin : span.end] += ramp
    return [ramp / total[span.begin : span.end] for span, ramp in zip(tiles, ramps, strict=True)]


def _ramp(span: Span, size: int, overlap: int, device: torch.device) -> Tensor:
    """Return the weights of a tile's pixels along one side: 1 inside, falling to 0 towards its neighbours."""
    position = torch.arange(span.end - span.begin, dtype=torch.float32, device=device) + 0.5
    ramp = torch.ones_like(position)
    if overlap:
        rise = (position - overlap / 4) / max(overlap / 2, 1)
        if span.begin > 0:
            ramp = ramp * rise.clamp(0, 1)
        if span.end < size:
            ramp = ramp * rise.flip(0).clamp(0, 1)
    return ramp
