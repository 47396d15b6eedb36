"""How DehazeFormer mixes pixels: a depthwise convolution, and attention within windows beside it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def reflect_conv(channels: int, out: int, size: int, *, groups: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size and sees the image mirrored beyond its borders."""
    return nn.Conv2d(channels, out, size, padding=size // 2, groups=groups, padding_mode="reflect")


def scaled_init(layer: nn.Module, *, depth: int) -> None:
    """Draw the weights of 1x1 and depthwise convolutions narrower the deeper the network, as published."""
    gain = (8 * depth) ** -0.25
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_normal_(module.weight, gain=gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class WindowAttention(nn.Module):
    """Attention among the pixels of a window, with a bias learned as a function of their distance.

    Arguments:
        window: Side of the windows.
        heads: Heads of attention.
    """

    relative_positions: Tensor

    def __init__(self, *, window: int, heads: int) -> None:
        super().__init__()
        self.window = window
        self.heads = heads
        rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        places = torch.stack([rows.flatten(), columns.flatten()], dim=-1).float()
        distance = places[:, None] - places[None]
        self.register_buffer("relative_positions", distance.sign() * distance.abs().log1p())
        self.meta = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, heads))

    def forward(self, qkv: Tensor) -> Tensor:
        """Attend within windows.

        Arguments:
            qkv: Queries, keys and values with shape `(B, 3 * C, H, W)`, H and W multiples of the window.

        Returns:
            The attended values with shape `(B, C, H, W)`.
        """
        batch, channels, height, width = qkv.shape
        side, heads = self.window, self.heads
        inner = channels // (3 * heads)
        pixels = qkv.permute(0, 2, 3, 1).reshape(batch, height // side, side, width // side, side, 3, heads, inner)
        # To (3, windows, heads, pixels of a window, channels of a head).
        q, k, v = pixels.permute(5, 0, 1, 3, 6, 2, 4, 7).reshape(3, -1, heads, side * side, inner)
        bias = self.meta(self.relative_positions).permute(2, 0, 1)[None]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        attended = attended.reshape(batch, height // side, width // side, heads, side, side, inner)
        return attended.permute(0, 3, 6, 1, 4, 2, 5).reshape(batch, heads * inner, height, width)


class Mixer(nn.Module):
    """A depthwise convolution over the values and, in some blocks, attention over windows of them; both are added.

    Shifted windows do not wrap around: the image is mirrored beyond its borders.

    Arguments:
        channels: The number C of channels.
        heads: Heads of attention; 0 for the convolution alone.
        window: Side of the windows.
        shift: How far the windows are shifted.
        depth: Blocks of the whole network, for the initialisation.
    """

    def __init__(self, channels: int, *, heads: int, window: int, shift: int, depth: int) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.conv = reflect_conv(channels, channels, 5, groups=channels)
        self.V = nn.Conv2d(channels, channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)
        scaled_init(self, depth=depth)
        if heads:
            self.QK = nn.Conv2d(channels, 2 * channels, 1)
            nn.init.xavier_normal_(self.QK.weight)
            nn.init.zeros_(self.QK.bias)  # pyright: ignore[reportArgumentType]
            self.attn = WindowAttention(window=window, heads=heads)
        self.attends = heads > 0

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        values = self.V(x)
        mixed = self.conv(values)
        if self.attends:
            height, width = x.shape[2:]
            side, shift = self.window, self.shift
            padding = (shift, (-width - shift) % side, shift, (-height - shift) % side)
            padded = F.pad(torch.cat([self.QK(x), values], dim=1), padding, mode="reflect")
            mixed = mixed + self.attn(padded)[..., shift : shift + height, shift : shift + width]
        return self.proj(mixed)


def least_side(window: int) -> int:
    """Return the smallest side from which on every side can be mirrored up to whole windows, shifted or not."""
    shift = window // 2
    side = window
    while side > 1 and max(shift, -(side - 1) % window, -(side - 1 + shift) % window) < side - 1:
        side -= 1
    return side
