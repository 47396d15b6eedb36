"""The blocks of MIRNet: dual attention, selective fusion of branches, and resampling without aliases."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REDUCTION = 8


def _conv(before: int, after: int, size: int = 1) -> nn.Conv2d:
    """Every convolution of the network: no bias, same size."""
    return nn.Conv2d(before, after, size, padding=size // 2, bias=False)


class SpatialAttention(nn.Module):
    """Weigh every pixel by a 5x5 convolution over the greatest and the mean of its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential(OrderedDict(conv=_conv(2, 1, 5)))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        summary = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        return x * self.spatial(summary).sigmoid()


class ChannelAttention(nn.Module):
    """Weigh every channel by a bottleneck over the means of all channels.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // REDUCTION, 1)
        self.conv_du = nn.Sequential(_conv(channels, inner), nn.ReLU(), _conv(inner, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return x * self.conv_du(x.mean((2, 3), keepdim=True))


class DualAttention(nn.Module):
    """Two convolutions, then both attentions side by side; the result is added to the input.

    Arguments:
        channels: The number C of channels.
        activation: Between the convolutions; the published network has a single one for all its blocks.
    """

    def __init__(self, channels: int, activation: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, channels, 3), activation, _conv(channels, channels, 3))
        self.SA = SpatialAttention()
        self.CA = ChannelAttention(channels)
        self.conv1x1 = _conv(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        y = self.body(x)
        return x + self.conv1x1(torch.cat([self.SA(y), self.CA(y)], dim=1))


class SelectiveFusion(nn.Module):
    """Add branches up, each channel of each with a weight; the weights follow from the means and sum to one.

    Arguments:
        channels: The number C of channels.
        branches: The number N of branches.
    """

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        inner = max(channels // REDUCTION, 4)
        self.conv_du = nn.Sequential(_conv(channels, inner), nn.PReLU())
        self.fcs = nn.ModuleList(_conv(inner, channels) for _ in range(branches))

    def forward(self, branches: Sequence[Tensor]) -> Tensor:
        """Fuse N maps with shape `(B, C, H, W)`."""
        means = torch.stack([branch.mean((2, 3), keepdim=True) for branch in branches]).sum(0)
        squeezed = self.conv_du(means)
        weights = torch.stack([expand(squeezed) for expand in self.fcs]).softmax(dim=0)
        fused = branches[0] * weights[0]
        for branch, weight in zip(branches[1:], weights[1:], strict=True):
            fused = torch.addcmul(fused, branch, weight)
        return fused


class BlurredHalf(nn.Module):
    """Every second pixel in both directions, after a binomial 3x3 blur against aliases.

    Arguments:
        channels: The number C of channels.

    References:
        Making Convolutional Networks Shift-Invariant Again (Zhang, 2019)
        https://arxiv.org/abs/1904.11486
    """

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("filt", (row[:, None] * row / 16).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, C, H / 2, W / 2)` for `x` with shape `(B, C, H, W)`, at least 2x2."""
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.filt, stride=2, groups=len(self.filt))


class HalveOnce(nn.Module):
    """Half the size and twice the channels, on a long and a short way that are added.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.top = nn.Sequential(
            _conv(channels, channels),
            nn.PReLU(),
            _conv(channels, channels, 3),
            nn.PReLU(),
            BlurredHalf(channels),
            _conv(channels, 2 * channels),
        )
        self.bot = nn.Sequential(BlurredHalf(channels), _conv(channels, 2 * channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, 2C, H / 2, W / 2)` for `x` with shape `(B, C, H, W)`."""
        return self.top(x) + self.bot(x)


class DoubleOnce(nn.Module):
    """Twice the size and half the channels, on a long and a short way that are added.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.top = nn.Sequential(
            _conv(channels, channels),
            nn.PReLU(),
            nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1, bias=False),
            nn.PReLU(),
            _conv(channels, channels // 2),
        )
        self.bot = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), _conv(channels, channels // 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, C / 2, 2H, 2W)` for `x` with shape `(B, C, H, W)`."""
        enlarge, mix = self.bot
        # Interpolation and a 1x1 convolution may be swapped: this way round there are fewer pixels to mix.
        return self.top(x) + enlarge(mix(x))


class Resample(nn.Module):
    """Steps of halving or doubling one after the other.

    Arguments:
        channels: The number C of channels at the start.
        steps: How often the size is doubled; halved when negative.
    """

    def __init__(self, channels: int, steps: int) -> None:
        super().__init__()
        step = DoubleOnce if steps > 0 else HalveOnce
        self.body = nn.Sequential(*(step(channels >> i if steps > 0 else channels << i) for i in range(abs(steps))))

    def forward(self, x: Tensor) -> Tensor:
        """Resample `x` with shape `(B, C, H, W)`."""
        return self.body(x)
