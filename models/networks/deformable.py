"""Deformable convolution on a CPU, without gradients: samples are gathered pixel by pixel, not channel by channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STRIP = 2**15
"""So many output pixels are computed at a time, which bounds the memory of their samples."""


@torch.no_grad()
def deformed(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Return what `torchvision.ops.deform_conv2d` returns for one group, stride 1 and "same" padding, only faster.

    With the channels of a pixel side by side, a sample between four pixels is a weighted sum of four rows of a table.
    torch computes such sums with vector instructions and on all threads (`embedding_bag`); torchvision's kernel visits
    each channel alone, on one thread.

    Arguments:
        x: Features with shape `(B, C, H, W)`, float32, on a CPU.
        offset: By how many pixels each tap is moved, first down and then right, with shape `(B, 2 * k * k, H, W)`.
        mask: What each tap is multiplied by, with shape `(B, k * k, H, W)`.
        weight: With shape `(D, C, k, k)`, k odd.

    Returns:
        Features with shape `(B, D, H, W)`.

    References:
        Deformable ConvNets v2: More Deformable, Better Results (Zhu et al., 2018)
        https://arxiv.org/abs/1811.11168
    """
    height, width = x.shape[2:]
    filters, channels, side, _ = weight.shape
    # Row by row as the samples of a pixel will lie: tap by tap, each with all channels.
    matrix = weight.permute(2, 3, 1, 0).reshape(-1, filters)
    result = x.new_empty(len(x), height, width, filters)
    rows = max(1, STRIP // width)
    for one, image in enumerate(x):
        table = image.permute(1, 2, 0).reshape(height * width, channels).contiguous()
        for top in range(0, height, rows):
            part = (one, slice(None), slice(top, min(top + rows, height)))
            index, share = _corners(offset[part], mask[part], top=top, size=(height, width), side=side)
            samples = F.embedding_bag(index.view(-1, 4), table, mode="sum", per_sample_weights=share.view(-1, 4))
            torch.mm(samples.view(-1, len(matrix)), matrix, out=result[one, part[2]].view(-1, filters))
    return result.permute(0, 3, 1, 2).contiguous()


def _corners(offset: Tensor, mask: Tensor, *, top: int, size: tuple[int, int], side: int) -> tuple[Tensor, Tensor]:
    """Return which four pixels each sample lies between and the share of each, for some rows of the output.

    Arguments:
        offset: With shape `(2 * k * k, R, W)`.
        mask: With shape `(k * k, R, W)`.
        top: The first of the rows.
        size: Height and width of the image.
        side: k.

    Returns:
        Numbers of pixels (int32) and shares, both with shape `(R, W, k * k, 4)`; a pixel outside of the image has the
        share 0.
    """
    height, width = size
    rows, taps = mask.shape[1], torch.arange(side * side)
    down = offset[0::2].permute(1, 2, 0) + (torch.arange(top, top + rows)[:, None, None] + taps // side - side // 2)
    right = offset[1::2].permute(1, 2, 0) + (torch.arange(width)[:, None] + taps % side - side // 2)
    (upper, lower), (above, below) = _between(down, height)
    (left, farther), (before, after) = _between(right, width)
    above, below = (share * mask.permute(1, 2, 0) for share in (above, below))
    index = torch.stack(
        [upper * width + left, upper * width + farther, lower * width + left, lower * width + farther], -1
    )
    return index, torch.stack([above * before, above * after, below * before, below * after], -1)


def _between(position: Tensor, size: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the two pixels along a side of `size` that each position lies between, and the share of each."""
    position = position.clamp(-1, size)  # farther out there is nothing either
    first = position.floor()
    share = position - first
    inside, next_inside = (first >= 0) & (first < size), first < size - 1
    first = first.int()
    shares = ((1 - share) * inside, share * next_inside)
    return (first.clamp(0, size - 1), (first + 1).clamp(0, size - 1)), shares
