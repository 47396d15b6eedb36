"""Padding a batch to a size that a network accepts, and cutting it into overlapping tiles that blend without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.errors import UserError
from models.padding import Padding, pad


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What sizes a network accepts, and in what pieces it is given an image.

    Arguments:
        padding: What sizes there are, and how an image is extended to one.
        tile: Side of the tiles; None for the whole image at once.
        overlap: Pixels that neighbouring tiles share. Over the middle half of them the tiles blend into each other; the
            outer quarters are thrown away, because there a tile does not see its surroundings.

    Raises:
        UserError: The overlap is negative, or the tile too small for it or for the network.
    """

    padding: Padding
    tile: int | None = None
    overlap: int = 32

    def __post_init__(self) -> None:
        if self.overlap < 0:
            raise UserError(f"the overlap of tiles cannot be negative (got {self.overlap})")
        if self.tile is None:
            return
        multiple, least = self.padding.multiple_of, self.padding.minimum_size
        object.__setattr__(self, "tile", self.tile // multiple * multiple)
        if self.tile <= self.overlap or self.tile < least:
            raise UserError(
                f"tiles of {self.tile} pixels are too small: they must be larger than their overlap ({self.overlap}), "
                f"a multiple of {multiple} and at least {least}"
            )


def apply_in_tiles(apply: Callable[[Tensor], Tensor], batch: Tensor, fit: Fit) -> Tensor:
    """Apply a network to a batch of any size: padded, tile by tile when asked, and cropped back.

    Arguments:
        apply: Takes `(B, C, h, w)` of an accepted size and returns `(B, 3, h, w)`.
        batch: With shape `(B, C, H, W)`.
        fit: Accepted sizes, and the tiles.

    Returns:
        The results with shape `(B, 3, H, W)`.
    """
    height, width = batch.shape[2:]
    padded, top, left = pad(batch, fit.padding)
    inside = (..., slice(top, top + height), slice(left, left + width))
    if fit.tile is None or fit.tile >= max(padded.shape[2:]):
        return apply(padded)[inside]
    total = padded.new_zeros(len(padded), 3, *padded.shape[2:])
    weights = padded.new_zeros(padded.shape[2:])
    for upper, lower in _spans(padded.shape[2], fit.tile, fit.overlap, fit.padding.multiple_of):
        for first, last in _spans(padded.shape[3], fit.tile, fit.overlap, fit.padding.multiple_of):
            rows = _ramp(upper, lower, padded.shape[2], fit.overlap, padded.device)
            columns = _ramp(first, last, padded.shape[3], fit.overlap, padded.device)
            weight = rows[:, None] * columns
            total[..., upper:lower, first:last] += weight * apply(padded[..., upper:lower, first:last])
            weights[upper:lower, first:last] += weight
    return (total / weights)[inside]


def _spans(size: int, tile: int, overlap: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the tiles along one side; the last one ends with the image."""
    if size <= tile:
        yield 0, size
        return
    step = max(multiple, (tile - overlap) // multiple * multiple)
    for begin in range(0, size - tile, step):
        yield begin, begin + tile
    yield size - tile, size


def _ramp(begin: int, end: int, size: int, overlap: int, device: torch.device) -> Tensor:
    """Return the weights of a tile's pixels along one side: 1 inside, falling to 0 towards its neighbours."""
    position = torch.arange(end - begin, dtype=torch.float32, device=device) + 0.5
    ramp = torch.ones_like(position)
    if overlap:
        rise = (position - overlap / 4) / max(overlap / 2, 1)
        if begin > 0:
            ramp = ramp * rise.clamp(0, 1)
        if end < size:
            ramp = ramp * rise.flip(0).clamp(0, 1)
    return ramp
