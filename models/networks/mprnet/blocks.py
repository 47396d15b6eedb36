"""The parts of MPRNet: channel attention, the ways between resolutions, and the link between two stages."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """One weight a channel, computed from the means of all channels.

    Arguments:
        channels: The number C of channels.
        reduction: What C is divided by in between.
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        few = channels // reduction
        squeeze, excite = nn.Conv2d(channels, few, 1, bias=False), nn.Conv2d(few, channels, 1, bias=False)
        self.conv_du = nn.Sequential(squeeze, nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights with shape `(B, C, 1, 1)` for a map with shape `(B, C, H, W)`."""
        return self.conv_du(x.mean(dim=(2, 3), keepdim=True))


class ChannelAttentionBlock(nn.Module):
    """Two convolutions whose result is weighted channel by channel and added to the input.

    Arguments:
        channels: The number C of channels.
        reduction: What C is divided by inside channel attention.
        slope: The activation between the convolutions, which all blocks of a network share.
    """

    def __init__(self, channels: int, *, reduction: int, slope: nn.PReLU) -> None:
        super().__init__()
        self.CA = ChannelAttention(channels, reduction=reduction)
        first, second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.body = nn.Sequential(first, slope, second)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        y = self.body(x)
        return torch.addcmul(x, y, self.CA(y))


class Down(nn.Module):
    """Half the size, by the mean of four pixels (which bilinear interpolation to half the size is), and more channels.

    Arguments:
        channels: The number C of channels.
        growth: The number G of channels added.
    """

    def __init__(self, channels: int, *, growth: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, channels + growth, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, C + G, H / 2, W / 2)`."""
        return self.down(x)


class Up(nn.Module):
    """Twice the size, by bilinear interpolation, and fewer channels.

    The published order is interpolation, then convolution. A convolution of single pixels may as well go first, for the
    same result up to rounding at a quarter of the cost.

    Arguments:
        channels: The number C of channels that it gives.
        growth: The number G of channels removed.
    """

    def __init__(self, channels: int, *, growth: int) -> None:
        super().__init__()
        self.up = nn.Sequential(nn.Identity(), nn.Conv2d(channels + growth, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C + G, H, W)` to `(B, C, 2 H, 2 W)`."""
        return F.interpolate(self.up(x), scale_factor=2, mode="bilinear")


class SupervisedAttention(nn.Module):
    """A restored image, and the features weighted by what it shows: the link between two stages.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, 3, 1, bias=False)
        self.conv3 = nn.Conv2d(3, channels, 1, bias=False)

    def forward(self, x: Tensor, degraded: Tensor) -> tuple[Tensor, Tensor]:
        """Return features with shape `(B, C, H, W)` and the restored image with shape `(B, 3, H, W)`."""
        restored = self.conv2(x) + degraded
        return torch.addcmul(x, self.conv1(x), self.conv3(restored).sigmoid()), restored
