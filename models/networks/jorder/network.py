"""JORDER: rain removed from the luminance by a short stack of convolutions with residual connections."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError

# Luminance of ITU-R BT.601 in studio range, as MATLAB's rgb2ycbcr computes it: 16 for black, 235 for white.
_RED, _GREEN, _BLUE = 65.481, 128.553, 24.966
_BLACK = 16.0
# What a step of the luminance adds to red, green and blue when the chroma stays as it is.
_GAIN = 255 / (_RED + _GREEN + _BLUE)


class JORDER(nn.Module):
    """Joint rain detection and removal, in the form of the released weights.

    The network sees the luminance alone. The chroma of the degraded image is kept (the authors' script took that of the
    clean image instead, for which there is no use outside a comparison). MATLAB hands images to Caffe with rows and
    columns exchanged, and so the weights expect them.

    The published figures (26.54 dB on Rain100H) come out where border pixels are repeated as far as the network sees;
    with the zeros of plain convolutions there they would be 0.6 dB better.

    Arguments:
        width: Channels of all features.
        blocks: Pairs of convolutions with a connection around them.

    Raises:
        UserError: The width or the number of blocks is less than 1.

    References:
        Deep Joint Rain Detection and Removal from a Single Image (Yang et al., 2017)
        https://arxiv.org/abs/1609.07769
    """

    def __init__(self, *, width: int = 64, blocks: int = 5) -> None:
        super().__init__()
        if min(width, blocks) < 1:
            raise UserError(f"a JORDER needs a width and blocks of at least 1: got {width} and {blocks}")
        self.multiple_of = 1
        self.blocks = blocks
        last = 2 * blocks + 2
        for i in range(1, last + 1):
            conv = nn.Conv2d(1 if i == 1 else width, 1 if i == last else width, 3, padding=1)
            self.add_module(f"Convolution{i}", conv)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        before = luminance(degraded)
        margin = 2 * self.blocks + 2
        padded = F.pad(before, (margin,) * 4, mode="replicate")
        after = self.published(padded.transpose(2, 3)).transpose(2, 3)
        return degraded + _GAIN * (after[..., margin:-margin, margin:-margin] - before)

    def published(self, luma: Tensor) -> Tensor:
        """Apply the network as its authors do.

        Arguments:
            luma: Luminance in studio range, divided by 255, with rows and columns exchanged: shape `(B, 1, W, H)`.

        Returns:
            The restored luminance with the same shape and range.
        """

        def conv(i: int, x: Tensor) -> Tensor:
            return self.get_submodule(f"Convolution{i}")(x)

        # Pixels stored together: on a CPU a fifth faster.
        first = torch.relu(conv(1, luma)).contiguous(memory_format=torch.channels_last)
        x = first
        for i in range(1, self.blocks + 1):
            x = torch.relu(_mean(x, conv(2 * i + 1, torch.relu(conv(2 * i, x)))))
        return luma + conv(2 * self.blocks + 2, _mean(first, x))

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of the released Caffe model.

        Raises:
            UserError: The keys are not those of a JORDER.
        """
        first = state.get("Convolution1.weight", torch.empty(0))
        count = sum(re.fullmatch(r"Convolution\d+\.weight", key) is not None for key in state)
        if first.shape[1:] != (1, 3, 3) or count < 4 or count % 2:
            raise UserError(
                "these are not the weights of a JORDER: it has an even number of layers called Convolution1, "
                "Convolution2 and so on, the first for one channel"
            )
        return {"width": int(first.shape[0]), "blocks": count // 2 - 1}


def _mean(x: Tensor, y: Tensor) -> Tensor:
    """Return half of the sum: the released layers carry a factor of 0.5 for either side of a connection."""
    return torch.lerp(x, y, 0.5)


def luminance(image: Tensor) -> Tensor:
    """Return the luminance in studio range, divided by 255, of images in [0, 1].

    Arguments:
        image: RGB images with shape `(B, 3, H, W)`.

    Returns:
        With shape `(B, 1, H, W)`, in [16 / 255, 235 / 255].
    """
    red, green, blue = image.split(1, dim=1)
    return (_BLACK + _RED * red + _GREEN * green + _BLUE * blue) / 255
