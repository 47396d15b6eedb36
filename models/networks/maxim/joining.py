"""Convolutions on maps with shape `(B, H, W, C)`, and maps of several levels joined by 1x1 convolutions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def convolve(conv: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Apply a convolution to a map with shape `(B, H, W, C)`: the same memory seen as channels-last."""
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def pointwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a 1x1 convolution to a map with shape `(B, H, W, C)`."""
    return F.linear(x, conv.weight.flatten(1), conv.bias)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Resize a map with shape `(B, H, W, C)` bilinearly; a smaller one is averaged over, so that nothing aliases."""
    if (height, width) == tuple(x.shape[1:3]):
        return x
    smaller = height < x.shape[1]
    resized = F.interpolate(x.permute(0, 3, 1, 2), (height, width), mode="bilinear", antialias=smaller)
    return resized.permute(0, 2, 3, 1).contiguous()


def join(
    conv: nn.Conv2d, same: Sequence[Tensor], resized: Iterable[tuple[nn.Module, Tensor]], *, like: Tensor
) -> Tensor:
    """Apply a 1x1 convolution to maps as if they were concatenated, the latter ones after a resize and a convolution.

    A resize commutes with 1x1 convolutions, for its weights add up to one. So the two convolutions become one matrix,
    which is applied where the map is smaller, and no concatenated map is ever made.

    Arguments:
        conv: Takes the channels of all maps.
        same: Maps with shape `(B, H, W, c)`, the first in the concatenation.
        resized: The further ones: maps with shape `(B, h, w, c)`, each behind the 1x1 convolution that follows its
            resize.
        like: A map of the wanted height and width.

    Returns:
        The map with shape `(B, H, W, C)`.
    """
    height, width = like.shape[1:3]
    assert conv.bias is not None
    weights, total, begin = conv.weight.flatten(1), conv.bias, 0
    for x in same:
        total = F.linear(x, weights[:, begin : begin + x.shape[-1]]) + total
        begin += x.shape[-1]
    for first, x in resized:
        assert isinstance(first, nn.Conv2d)
        assert first.bias is not None
        own = weights[:, begin : begin + first.out_channels]
        begin += first.out_channels
        matrix, bias = own @ first.weight.flatten(1), own @ first.bias
        if x.shape[1] < height:
            total = resize(F.linear(x, matrix, bias), height, width) + total
        else:
            total = F.linear(resize(x, height, width), matrix, bias) + total
    return total
