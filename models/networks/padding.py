"""Extending a batch of images to a size that a network accepts, as its authors do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# What images are filled with where they are not continued: black, or the middle of the scale.
CONSTANTS = {"zero": 0.0, "grey": 0.5}


@dataclass(frozen=True, kw_only=True)
class Padding:
    """What sizes a network accepts, and how an image is extended to one; the fields of a card of the same names.

    Arguments:
        multiple_of: Height and width must be multiples of this.
        minimum_size: Smallest height and width.
        mode: "reflect", "zero", "edge" or "grey".
        sides: "end" for right and bottom; "both" for all four sides, the odd pixel at the end; "even" for all four
            sides alike, once an odd height or width has got one pixel more at the end.
        always: True to add a whole multiple where none is missing.
    """

    multiple_of: int = 1
    minimum_size: int = 1
    mode: str = "reflect"
    sides: str = "end"
    always: bool = False

    def missing(self, size: int) -> int:
        """Return how many pixels are added to a side of `size` pixels."""
        extra = math.ceil(max(size, self.minimum_size) / self.multiple_of) * self.multiple_of - size
        return self.multiple_of if extra == 0 and self.always else extra


def pad(batch: Tensor, padding: Padding) -> tuple[Tensor, int, int]:
    """Extend a batch to a size that a network accepts.

    Arguments:
        batch: With shape `(B, C, H, W)`.
        padding: What is accepted, and how it is reached.

    Returns:
        The batch with shape `(B, C, H', W')`, and the row and the column in it where the image begins.
    """
    begin = [0, 0]
    for dim in (3, 2):
        size = batch.shape[dim]
        missing = padding.missing(size)
        if missing == 0:
            continue
        # What has been added at the end first is reflected in turn.
        steps = [(0, 1)] if padding.sides == "even" and size % 2 else []
        missing -= len(steps)
        before = 0 if padding.sides == "end" else missing // 2
        begin[dim - 2] = before
        for first, last in (*steps, (before, missing - before)):
            batch = _extend(batch, dim, first, last, padding.mode)
    return batch, begin[0], begin[1]


def _extend(batch: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    size = batch.shape[dim]
    extra = (before, after, 0, 0) if dim == 3 else (0, 0, before, after)
    if mode in CONSTANTS:
        return F.pad(batch, extra, value=CONSTANTS[mode])
    if mode != "reflect" or size == 1:
        return F.pad(batch, extra, mode="replicate")
    if max(before, after) < size:
        return F.pad(batch, extra, mode="reflect")
    # A reflection that needs more pixels than there are goes to and fro, as numpy's does.
    place = torch.arange(-before, size + after, device=batch.device) % (2 * size - 2)
    return batch.index_select(dim, torch.minimum(place, 2 * size - 2 - place))
