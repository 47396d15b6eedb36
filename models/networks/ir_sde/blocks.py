"""The blocks of the IR-SDE U-Nets: time embedding, residual block, linear attention, the steps between resolutions."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.attention import HEAD_DIM, ContentTransformer
from models.networks.layers import ChannelNorm

LINEAR_HEADS = 4


class TimeEncoding(nn.Module):
    """Sines and cosines of the time at frequencies from 1 down to 1/10000.

    Arguments:
        dim: Length D of the encoding, an even number of at least 4.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, time: Tensor) -> Tensor:
        """Return encodings with shape `(B, D)`, float32, for times with shape `(B,)`."""
        half = self.dim // 2
        frequencies = torch.exp(torch.arange(half, device=time.device) * -(math.log(10000) / (half - 1)))
        angles = time.float()[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class ConvUnit(nn.Module):
    """A 3x3 convolution without bias, optionally scaled and shifted, then SiLU."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor, modulation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`; the modulation is (scale, shift), each `(B, out_channels, 1, 1)`."""
        x = self.proj(x)
        if modulation is not None:
            scale, shift = modulation
            x = torch.addcmul(shift, x, scale + 1)
        # In place where nothing has to be kept for a backward pass: one map less in memory.
        return F.silu(x, inplace=not torch.is_grad_enabled())


class ResidualBlock(nn.Module):
    """Two convolutions, the first modulated by the time embedding, added to their input.

    Arguments:
        channels: Channels that come in.
        out_channels: Channels that go out.
        time_dim: Length T of the time embedding.
    """

    def __init__(self, channels: int, out_channels: int, *, time_dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 2 * out_channels))
        self.block1 = ConvUnit(channels, out_channels)
        self.block2 = ConvUnit(out_channels, out_channels)
        same = channels == out_channels
        self.res_conv = nn.Identity() if same else nn.Conv2d(channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, given time embeddings with shape `(B, T)` or `(1, T)`."""
        scale, shift = self.mlp(time)[:, :, None, None].chunk(2, dim=1)
        return self.block2(self.block1(x, (scale, shift))) + self.res_conv(x)


class LinearAttention(nn.Module):
    """Attention whose cost grows with the number of pixels, not with its square.

    Keys are softmaxed over the pixels and queries over the features, so keys and values meet first, in a matrix of
    features by features. Everything after that is linear in the queries: the factors and the output projection are
    multiplied into that small matrix, and the pixels are passed over once. Heads share the products, whose parts
    between different heads are dropped: larger products without copies are faster than small ones with them.

    Arguments:
        channels: The number C of channels.

    References:
        Efficient Attention: Attention with Linear Complexities (Shen et al., 2021)
        https://arxiv.org/abs/1812.01243
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = LINEAR_HEADS * HEAD_DIM
        self.to_qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.to_out = nn.Sequential(nn.Conv2d(inner, channels, 1), ChannelNorm(channels))

    def forward(self, x: Tensor, content: Tensor | None = None) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`; the content is not used."""
        height, width = x.shape[2:]
        tokens = x.permute(0, 2, 3, 1).flatten(1, 2)
        to_q, to_k, to_v = self.to_qkv.weight.flatten(1).chunk(3)
        q = F.linear(tokens, to_q).unflatten(2, (LINEAR_HEADS, HEAD_DIM)).softmax(dim=3).flatten(2)
        k, v = F.linear(tokens, to_k).softmax(dim=1), F.linear(tokens, to_v)
        mixed = (v.transpose(1, 2) @ k).unflatten(2, (LINEAR_HEADS, HEAD_DIM)).unflatten(1, (LINEAR_HEADS, HEAD_DIM))
        own = mixed.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)  # (B, heads, features of v, features of k)
        # The published code divides by the number of pixels too, before a norm that undoes most of it.
        own = own * (HEAD_DIM**-0.5 / (height * width))
        project: Any = self.to_out[0]
        weight = project.weight.view(-1, LINEAR_HEADS, HEAD_DIM).transpose(0, 1)
        weight = (weight @ own).transpose(1, 2).flatten(2)
        out = q @ weight.transpose(1, 2) + project.bias
        return self.to_out[1](out.unflatten(1, (height, width)).permute(0, 3, 1, 2))


class NormedAttention(nn.Module):
    """An attention after a norm over the channels.

    The names `fn` and the order, attention first, are those of the published weights.
    """

    def __init__(self, attention: nn.Module, *, channels: int) -> None:
        super().__init__()
        self.fn = attention
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor, content: Tensor | None) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, given content embeddings with shape `(B, E)`."""
        return self.fn(self.norm(x), content)


class AddedAttention(nn.Module):
    """Attention added to its input: to the content where its length is given, linear within the image otherwise.

    Arguments:
        channels: The number C of channels.
        content_dim: Length E of the content embedding; None for linear attention.
    """

    def __init__(self, channels: int, *, content_dim: int | None) -> None:
        super().__init__()
        attention: nn.Module = LinearAttention(channels)
        if content_dim is not None:
            attention = ContentTransformer(channels=channels, content_dim=content_dim, published_keys=True)
        self.fn = NormedAttention(attention, channels=channels)

    def forward(self, x: Tensor, content: Tensor | None) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, given content embeddings with shape `(B, E)`."""
        return x + self.fn(x, content)


class Upsample(nn.ModuleList):
    """Every pixel repeated twice in both directions, then a 3x3 convolution.

    Both are one transposed convolution: of the nine taps on repeated pixels, those that fall on the same pixel are
    added up first. That is 16 products an input pixel instead of 36, and the enlarged map is never stored.

    Arguments:
        channels: Channels that come in.
        out_channels: Channels that go out.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        # The convolution stands second because that is its name in published weights.
        super().__init__([nn.Identity(), nn.Conv2d(channels, out_channels, 3, padding=1)])

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)` to `(B, out_channels, 2H, 2W)`."""
        conv = self[1]
        assert isinstance(conv, nn.Conv2d)
        weight = conv.weight.flip(2, 3).transpose(0, 1)
        weight = F.pad(weight, (0, 1, 0, 0)) + F.pad(weight, (1, 0, 0, 0))
        weight = F.pad(weight, (0, 0, 0, 1)) + F.pad(weight, (0, 0, 1, 0))
        return F.conv_transpose2d(x, weight, conv.bias, stride=2, padding=1)


def downsample(channels: int, out_channels: int) -> nn.Conv2d:
    """Return the convolution that halves height and width."""
    return nn.Conv2d(channels, out_channels, 4, stride=2, padding=1)
