"""The levels of MAXIM's U-Nets: multi-axis MLPs in turn with convolutions, or with pixel MLPs at the bottom.

Maps are kept as `(B, H, W, C)`, see `models.networks.maxim.mixing`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.maxim.gating import CrossGating
from models.networks.maxim.joining import convolve, pointwise
from models.networks.maxim.mixing import MultiAxisGmlp, gelu

SLOPE = 0.2


class ChannelAttention(nn.Module):
    """Factors for the channels, computed from their means over the image.

    Arguments:
        channels: The number C of channels.
        reduction: How many times fewer there are in between.
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the factors with shape `(B, 1, 1, C)` for `x` with shape `(B, H, W, C)`."""
        return pointwise(self.excite, pointwise(self.squeeze, x.mean((1, 2), keepdim=True)).relu()).sigmoid()


class ConvBlock(nn.Module):
    """Two 3x3 convolutions and channel attention, with a residual.

    Arguments:
        channels: The number C of channels.
        reduction: Of the channel attention.
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.channel_attention = ChannelAttention(channels, reduction=reduction)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, H, W, C)`."""
        y = convolve(self.conv2, F.leaky_relu(convolve(self.conv1, self.norm(x)), SLOPE))
        return torch.addcmul(x, y, self.channel_attention(y))


class MlpBlock(nn.Module):
    """A two-layer MLP on every pixel and channel attention, with a residual.

    Arguments:
        channels: The number C of channels.
        reduction: Of the channel attention.
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.mix1 = nn.Linear(channels, channels)
        self.mix2 = nn.Linear(channels, channels)
        self.channel_attention = ChannelAttention(channels, reduction=reduction)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, H, W, C)`."""
        y = self.mix2(gelu(self.mix1(self.norm(x))))
        return torch.addcmul(x, y, self.channel_attention(y))


class Level(nn.Module):
    """One level of an encoder or a decoder: multi-axis MLPs and convolutions in turn.

    Arguments:
        channels: The number C of channels.
        in_channels: Channels of all parts of its input.
        groups: Pairs of an MLP and a convolution block.
        size: Side of the blocks and of the grid.
        reduction: Of the channel attention.
        gated: Whether features of the stage before are taken up.
        down: Whether a map of half the height and width is made for the level below.
    """

    def __init__(
        self,
        channels: int,
        *,
        in_channels: int,
        groups: int,
        size: int,
        reduction: int,
        gated: bool = False,
        down: bool = False,
    ) -> None:
        super().__init__()
        self.intro = nn.Conv2d(in_channels, channels, 1)
        self.mixers = nn.ModuleList(MultiAxisGmlp(channels, size=size) for _ in range(groups))
        self.convs = nn.ModuleList(ConvBlock(channels, reduction=reduction) for _ in range(groups))
        if gated:
            self.gating = CrossGating(channels, x_channels=channels, y_channels=channels, size=size, up=False)
        if down:
            self.down = nn.Conv2d(channels, channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor, before: Tensor | None = None) -> Tensor:
        """Map what `intro` gives, with shape `(B, H, W, C)`.

        Arguments:
            x: The caller knows of what parts the input consists, and applies `intro` to them.
            before: Features of the stage before, with the same shape.
        """
        y = x
        for mixer, conv in zip(self.mixers, self.convs, strict=True):
            y = conv(mixer(y))
        y = y + x
        if before is not None:
            y, _ = self.gating(pointwise(self.gating.in_x, y), before)
        return y


class Bottleneck(nn.Module):
    """Multi-axis MLPs and pixel MLPs in turn, at the lowest resolution.

    Arguments:
        channels: The number C of channels.
        groups: Pairs of both.
        size: Side of the blocks and of the grid.
        reduction: Of the channel attention.
    """

    def __init__(self, channels: int, *, groups: int, size: int, reduction: int) -> None:
        super().__init__()
        self.intro = nn.Conv2d(channels, channels, 1)
        self.mixers = nn.ModuleList(MultiAxisGmlp(channels, size=size) for _ in range(groups))
        self.mlps = nn.ModuleList(MlpBlock(channels, reduction=reduction) for _ in range(groups))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, H, W, C)`."""
        x = y = pointwise(self.intro, x)
        for mixer, mlp in zip(self.mixers, self.mlps, strict=True):
            y = mlp(mixer(y))
        return y + x
