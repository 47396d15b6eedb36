"""The transformer block of Restormer and PromptIR: attention between channels, and a gated feed-forward network.

A level of them works on maps of up to ten times as many channels as it passes on. Where no gradient is wanted these are
made and used in strips of rows, which needs a fraction of the memory and gives the same values up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError

# Pixels of a strip: few enough for its maps to stay near the cache, many enough for the rows beyond its edges, which
# are computed twice, to be few. Other devices than a CPU need more work at a time to be busy.
STRIP = 2**14
STRIPS_AT_ONCE = 16


class BiasFreeNorm(nn.Module):
    """Divide the channels of every pixel by their standard deviation; the mean stays.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map with shape `(B, H, W, C)`."""
        return x * (x.var(-1, correction=0, keepdim=True) + 1e-5).rsqrt() * self.weight


class PixelNorm(nn.Module):
    """Normalisation over the channels of every pixel.

    Arguments:
        channels: The number C of channels.
        bias: True for layer normalisation; False for its variant that neither subtracts the mean nor adds a bias.
    """

    def __init__(self, channels: int, *, bias: bool) -> None:
        super().__init__()
        self.body = nn.LayerNorm(channels) if bias else BiasFreeNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map with shape `(B, C, H, W)`."""
        return self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ChannelAttention(nn.Module):
    """Attention in which the tokens are channels, so that its cost grows with the pixels and not with their square.

    Queries and keys are scaled to length 1 over the pixels. That is done to their products, a few numbers a head, and
    not to the maps; and since what follows the softmax is linear, the attention and the projection after it are one
    matrix per image.

    Arguments:
        channels: The number C of channels.
        heads: Number of heads.

    Raises:
        UserError: The heads do not divide the channels.
    """

    def __init__(self, channels: int, *, heads: int) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise UserError(f"{heads} attention heads cannot share {channels} channels: they must divide them")
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        """Attend between the channels of `norm(x)`, where `x` has shape `(B, C, H, W)`."""
        products: list[Tensor] = []
        squares: list[Tensor] = []
        # Sums over a whole image keep too few digits in half precision, and those of float16 overflow.
        wide = torch.promote_types(x.dtype, torch.float32)
        small = (x.shape[2] * x.shape[3]) ** -0.5

        def values() -> Iterator[Tensor]:
            for part in in_strips(lambda strip: self.qkv_dwconv(self.qkv(norm(strip))), x):
                q, k, v = part.permute(0, 2, 3, 1).flatten(1, 2).chunk(3, dim=2)
                q, k = (y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in (q, k))
                if part.dtype == torch.float16:
                    q, k = q * small, k * small
                products.append((q.transpose(2, 3) @ k).to(wide))
                # Unlike a norm, this is summed pairwise, which is more exact, and faster.
                squares.append(torch.stack([y.square().sum(dim=2, dtype=wide) for y in (q, k)]))
                yield v.unflatten(1, part.shape[2:]).permute(0, 3, 1, 2)

        v = assemble(values(), x.shape[2])
        query, key = torch.stack(squares).sum(0).clamp_min(1e-24).sqrt()
        cosines = torch.stack(products).sum(0) / query.unsqueeze(3) / key.unsqueeze(2)
        attention = (cosines * self.temperature).softmax(dim=3)
        project = self.project_out.weight.flatten(1).unflatten(1, (self.heads, -1))
        mix = torch.einsum("ohi,bhij->bohj", project.to(wide), attention).flatten(2).to(v.dtype)
        mixed = v.permute(0, 2, 3, 1).flatten(1, 2) @ mix.transpose(1, 2)
        return mixed.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class GatedFeedForward(nn.Module):
    """Two maps from a pixel and its neighbours, one of which gates the other.

    Arguments:
        channels: The number C of channels.
        expansion: Channels of each of the two maps, as a multiple of C, rounded down.
    """

    def __init__(self, channels: int, *, expansion: float) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project_out = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        """Map `norm(x)`, where `x` has shape `(B, C, H, W)`."""

        def gated(strip: Tensor) -> Tensor:
            gate, content = self.dwconv(self.project_in(norm(strip))).chunk(2, dim=1)
            return self.project_out(F.gelu(gate) * content)

        return assemble(in_strips(gated, x), x.shape[2])


class TransformerBlock(nn.Module):
    """Attention between channels, then the gated feed-forward network; each is added to its input.

    Arguments:
        channels: The number C of channels.
        heads: Number of attention heads.
        expansion: Hidden channels of the feed-forward network, as a multiple of C.
        norm_bias: Which normalisation, see `PixelNorm`.
    """

    def __init__(self, channels: int, *, heads: int, expansion: float, norm_bias: bool = True) -> None:
        super().__init__()
        self.norm1 = PixelNorm(channels, bias=norm_bias)
        self.attn = ChannelAttention(channels, heads=heads)
        self.norm2 = PixelNorm(channels, bias=norm_bias)
        self.ffn = GatedFeedForward(channels, expansion=expansion)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        x = x + self.attn(x, self.norm1)
        return x + self.ffn(x, self.norm2)


def in_strips(apply: Callable[[Tensor], Tensor], x: Tensor) -> Iterator[Tensor]:
    """Yield `apply(x)` in strips of rows from top to bottom, or whole where a gradient is wanted.

    Arguments:
        apply: Keeps height and width; an output pixel depends on the rows above and below it at most, and beyond the
            image it sees zeros where its own convolution pads.
        x: With shape `(B, C, H, W)`.
    """
    height = x.shape[2]
    pixels = STRIP if x.device.type == "cpu" else STRIPS_AT_ONCE * STRIP
    rows = height if torch.is_grad_enabled() else max(1, pixels // (x.shape[0] * x.shape[3]))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        above, below = min(top, 1), min(height - bottom, 1)
        yield apply(x[:, :, top - above : bottom + below])[:, :, above : above + bottom - top]


def assemble(strips: Iterator[Tensor], height: int) -> Tensor:
    """Put strips together to a map of the given height, holding one of them at a time."""
    first = next(strips)
    if first.shape[2] == height:
        return first
    batch, channels, _, width = first.shape
    whole = first.new_empty(batch, height, width, channels).permute(0, 3, 1, 2)
    top = 0
    for strip in chain([first], strips):
        whole[:, :, top : top + strip.shape[2]] = strip
        top += strip.shape[2]
    return whole
