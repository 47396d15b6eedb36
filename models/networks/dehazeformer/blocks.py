"""The blocks of DehazeFormer, their norm that can be taken back, and the fusion of two paths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.dehazeformer.attention import Mixer, scaled_init


class RescaleNorm(nn.Module):
    """Normalises an image as a whole, and says how to give mean and spread back later.

    Arguments:
        channels: The number C of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.meta1 = nn.Conv2d(1, channels, 1)
        self.meta2 = nn.Conv2d(1, channels, 1)
        for meta, bias in ((self.meta1, 1.0), (self.meta2, 0.0)):
            nn.init.trunc_normal_(meta.weight, std=0.02)
            nn.init.constant_(meta.bias, bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `x` with shape `(B, C, H, W)` normalised, and a factor and a summand with shape `(B, C, 1, 1)`."""
        variance, mean = torch.var_mean(x, dim=(1, 2, 3), correction=0, keepdim=True)
        std = (variance + self.eps).sqrt()
        factor = self.weight / std
        return x * factor + (self.bias - mean * factor), self.meta1(std), self.meta2(mean)


class Pointwise(nn.Module):
    """Two 1x1 convolutions.

    Arguments:
        channels: Channels that come in and go out.
        hidden: Channels between.
        depth: Blocks of the whole network, for the initialisation.
    """

    def __init__(self, channels: int, hidden: int, *, depth: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1))
        scaled_init(self, depth=depth)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return self.mlp(x)


class Block(nn.Module):
    """A mixer over space and two 1x1 convolutions, each added to what came in; with attention, a norm as well.

    Arguments:
        channels: The number C of channels.
        hidden: Channels inside the 1x1 convolutions.
        heads: Heads of attention; 0 for none.
        window: Side of the windows.
        shift: How far they are shifted.
        depth: Blocks of the whole network, for the initialisation.
    """

    def __init__(self, channels: int, *, hidden: int, heads: int, window: int, shift: int, depth: int) -> None:
        super().__init__()
        self.norm1 = RescaleNorm(channels) if heads else None
        self.attn = Mixer(channels, heads=heads, window=window, shift=shift, depth=depth)
        self.mlp = Pointwise(channels, hidden, depth=depth)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        if self.norm1 is None:
            x = x + self.attn(x)
        else:
            normed, factor, summand = self.norm1(x)
            x = x + self.attn(normed) * factor + summand
        return x + self.mlp(x)


class Stage(nn.Module):
    """The blocks at one resolution.

    Arguments:
        blocks: Called in turn.
    """

    def __init__(self, *blocks: Block) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        for block in self.blocks:
            x = block(x)
        return x


class Fusion(nn.Module):
    """Adds two maps, each channel of them weighted by what the means of all channels say (selective kernels).

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 8, 4)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.ReLU(), nn.Conv2d(hidden, 2 * channels, 1, bias=False)
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the sum of two maps with shape `(B, C, H, W)`."""
        means = first.mean(dim=(2, 3), keepdim=True) + second.mean(dim=(2, 3), keepdim=True)
        weights = self.mlp(means).unflatten(1, (2, -1)).softmax(dim=1)
        return first * weights[:, 0] + second * weights[:, 1]
