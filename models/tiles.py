"""Padding a batch to a size that a network accepts, and cutting it into overlapping tiles that blend without seams."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What sizes a network accepts, and in what pieces it is given an image.

    Arguments:
        multiple_of: Height and width must be multiples of this.
        minimum_size: Smallest height and width.
        padding: How images are extended to such a size: "reflect" or "zero".
        tile: Side of the tiles; None for the whole image at once.
        overlap: Pixels that neighbouring tiles share. Over the middle half of them the tiles blend into each other; the
            outer quarters are thrown away, because there a tile does not see its surroundings.

    Raises:
        UserError: The overlap is negative, or the tile too small for it or for the network.
    """

    multiple_of: int
    minimum_size: int
    padding: str
    tile: int | None = None
    overlap: int = 32

    def __post_init__(self) -> None:
        if self.overlap < 0:
            raise UserError(f"the overlap of tiles cannot be negative (got {self.overlap})")
        if self.tile is None:
            return
        object.__setattr__(self, "tile", self.tile // self.multiple_of * self.multiple_of)
        if self.tile <= self.overlap or self.tile < self.minimum_size:
            raise UserError(
                f"tiles of {self.tile} pixels are too small: they must be larger than their overlap ({self.overlap}), "
                f"a multiple of {self.multiple_of} and at least {self.minimum_size}"
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
    padded = pad(batch, multiple=fit.multiple_of, least=fit.minimum_size, mode=fit.padding)
    if fit.tile is None or fit.tile >= max(padded.shape[2:]):
        return apply(padded)[..., :height, :width]
    total = padded.new_zeros(len(padded), 3, *padded.shape[2:])
    weights = padded.new_zeros(padded.shape[2:])
    for top, bottom in _spans(padded.shape[2], fit.tile, fit.overlap, fit.multiple_of):
        for left, right in _spans(padded.shape[3], fit.tile, fit.overlap, fit.multiple_of):
            rows = _ramp(top, bottom, padded.shape[2], fit.overlap, padded.device)
            columns = _ramp(left, right, padded.shape[3], fit.overlap, padded.device)
            weight = rows[:, None] * columns
            total[..., top:bottom, left:right] += weight * apply(padded[..., top:bottom, left:right])
            weights[top:bottom, left:right] += weight
    return (total / weights)[..., :height, :width]


def pad(batch: Tensor, *, multiple: int, least: int, mode: str) -> Tensor:
    """Extend a batch at the right and the bottom to a multiple of `multiple` and at least `least`."""
    for dim in (3, 2):
        size = batch.shape[dim]
        missing = math.ceil(max(size, least) / multiple) * multiple - size
        if missing == 0:
            continue
        extra = (0, missing, 0, 0) if dim == 3 else (0, 0, 0, missing)
        if mode == "zero":
            batch = F.pad(batch, extra)
        else:
            # A reflection needs more pixels than it adds; smaller images repeat their last row or column.
            batch = F.pad(batch, extra, mode="reflect" if missing < size else "replicate")
    return batch


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
