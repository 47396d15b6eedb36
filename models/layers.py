"""Blocks that two networks or more are made of: norms, gates, the degradation prompt and the content transformer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError

HEAD_DIM = 32
GROUPS = 32


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of every pixel, with gain and bias.

    The work is done by the fused kernel on a channels-last view: for a tensor already stored channels-last, as the
    networks here keep theirs, nothing is copied; on a CPU that is several times faster than means over dimension 1.

    Arguments:
        channels: The number C of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map with shape `(B, C, H, W)`."""
        channels_last = x.permute(0, 2, 3, 1)
        return F.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of every pixel, with a gain only (`g`), as in the IR-SDE networks.

    Arguments:
        channels: The number C of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map with shape `(B, C, H, W)`."""
        gain = self.g.flatten()
        return F.layer_norm(x.permute(0, 2, 3, 1), gain.shape, gain, None, self.eps).permute(0, 3, 1, 2)


def simple_gate(x: Tensor, *, dim: int = 1) -> Tensor:
    """Multiply the two halves of `x` along `dim` with each other."""
    first, second = x.chunk(2, dim=dim)
    return first * second


def scaled_conv(conv: nn.Conv2d, factor: Tensor, x: Tensor) -> Tensor:
    """Return `factor * conv(x)` for a 1x1 convolution and a factor with shape `(1, C, 1, 1)`.

    The factor is multiplied into the weights, which are few, rather than into the map: one pass over the pixels less
    forwards and two less backwards.
    """
    bias = None if conv.bias is None else conv.bias * factor.flatten()
    return F.conv2d(x, conv.weight * factor.transpose(0, 1), bias)


class DegradationPrompt(nn.Module):
    """The learned prompt that a degradation embedding picks from.

    The embedding is turned into weights by an MLP and a softmax; the weights multiply a learned vector, and a linear
    layer follows.

    Arguments:
        embedding_dim: Length E of the degradation embedding.
        dim: Length P of the prompt.
        gain: Factor on the initial prompt, drawn from U[0, 1). The authors use 1; the softmax then makes the product of
            the order 1 / P, and the embedding is nearly silent early in training; `gain=P` brings it to the order 1.

    References:
        Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., 2024)
        https://arxiv.org/abs/2310.01018
    """

    def __init__(self, *, embedding_dim: int, dim: int, gain: float = 1.0) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(embedding_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.prompt = nn.Parameter(gain * torch.rand(1, dim))
        self.project = nn.Linear(dim, dim)

    def forward(self, degradation: Tensor) -> Tensor:
        """Return the prompt with shape `(B, P)` for un-normalised embeddings with shape `(B, E)`."""
        return self.project(self.mlp(degradation).softmax(dim=1) * self.prompt)


class SelfAttention(nn.Module):
    """Multi-head attention of tokens to each other, without ever storing the matrix of all pairs.

    Arguments:
        dim: Length C of a token.
        heads: Number of heads; each has `HEAD_DIM` features.
    """

    def __init__(self, *, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * HEAD_DIM
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_k = nn.Linear(dim, inner, bias=False)
        self.to_v = nn.Linear(dim, inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend within tokens with shape `(B, N, C)`."""
        q, k, v = (f(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class ContentBias(nn.Module):
    """Cross-attention to a single context token.

    A softmax over one token is 1 whatever the query is, so the attention is a bias per image: only the value and the
    output projections remain.

    Arguments:
        dim: Length C of a token.
        heads: Number of heads; each has `HEAD_DIM` features.
        content_dim: Length E of the content embedding.
    """

    def __init__(self, *, dim: int, heads: int, content_dim: int) -> None:
        super().__init__()
        self.to_v = nn.Linear(content_dim, heads * HEAD_DIM, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * HEAD_DIM, dim))

    def forward(self, content: Tensor) -> Tensor:
        """Return the bias with shape `(B, 1, C)` for embeddings with shape `(B, E)`."""
        return self.to_out(self.to_v(content)).unsqueeze(1)


class GatedLinear(nn.Module):
    """A linear layer of twice the width, one half of it gating the other through an exact GELU (GEGLU).

    References:
        GLU Variants Improve Transformer (Shazeer, 2020)
        https://arxiv.org/abs/2002.05202
    """

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens with shape `(B, N, dim)` to `(B, N, inner)`."""
        value, gate = self.proj(tokens).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """The per-token MLP of a transformer block: GEGLU to four times the width and back."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # The identity stands where the published networks have a dropout of rate 0: it keeps their key names.
        self.net = nn.Sequential(GatedLinear(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens with shape `(B, N, C)`."""
        return self.net(tokens)


class ContentBlock(nn.Module):
    """Self-attention, the content bias and a feed-forward layer, each added to its input."""

    def __init__(self, *, dim: int, heads: int, content_dim: int) -> None:
        super().__init__()
        self.attn1 = SelfAttention(dim=dim, heads=heads)
        self.ff = FeedForward(dim)
        self.attn2 = ContentBias(dim=dim, heads=heads, content_dim=content_dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, content: Tensor) -> Tensor:
        """Map tokens with shape `(B, N, C)`, given embeddings with shape `(B, E)`."""
        tokens = tokens + self.attn1(self.norm1(tokens))
        tokens = tokens + self.attn2(content)
        return tokens + self.ff(self.norm3(tokens))


class ContentTransformer(nn.Module):
    """A transformer over the pixels of a map, conditioned on the content embedding; it adds its result to its input.

    Arguments:
        channels: The number C of channels, a multiple of 32.
        content_dim: Length E of the content embedding.

    Raises:
        UserError: `channels` is not a multiple of 32.
    """

    def __init__(self, *, channels: int, content_dim: int) -> None:
        super().__init__()
        if channels % GROUPS:
            raise UserError(
                f"attention to the content needs a number of channels that is a multiple of {GROUPS}, not {channels}: "
                "choose another width"
            )
        self.norm = nn.GroupNorm(GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(
            [ContentBlock(dim=channels, heads=channels // HEAD_DIM, content_dim=content_dim)]
        )
        self.proj_out = nn.Conv2d(channels, channels, 1)
        for parameter in self.proj_out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, content: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, given embeddings with shape `(B, E)`."""
        tokens = self.proj_in(self.norm(x)).permute(0, 2, 3, 1).flatten(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, content)
        return x + self.proj_out(tokens.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2))
