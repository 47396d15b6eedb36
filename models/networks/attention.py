"""The transformer over the pixels of a map that the networks told by DA-CLIP have in their deepest places."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError

HEAD_DIM = 32
GROUPS = 32


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
        published_keys: Also hold the query and key projections, frozen, which published weights have but which can
            never matter.
    """

    def __init__(self, *, dim: int, heads: int, content_dim: int, published_keys: bool = False) -> None:
        super().__init__()
        inner = heads * HEAD_DIM
        if published_keys:
            self.to_q = nn.Linear(dim, inner, bias=False).requires_grad_(False)
            self.to_k = nn.Linear(content_dim, inner, bias=False).requires_grad_(False)
        self.to_v = nn.Linear(content_dim, inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, dim))

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

    def __init__(self, *, dim: int, heads: int, content_dim: int, published_keys: bool = False) -> None:
        super().__init__()
        self.attn1 = SelfAttention(dim=dim, heads=heads)
        self.ff = FeedForward(dim)
        self.attn2 = ContentBias(dim=dim, heads=heads, content_dim=content_dim, published_keys=published_keys)
        self.norm1 = nn.LayerNorm(dim)
        if published_keys:
            # It normalises the queries, so it matters as little as they do.
            self.norm2 = nn.LayerNorm(dim).requires_grad_(False)
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
        published_keys: Also hold the parameters of published weights that can never matter, see `ContentBias`.

    Raises:
        UserError: `channels` is not a multiple of 32.
    """

    def __init__(self, *, channels: int, content_dim: int, published_keys: bool = False) -> None:
        super().__init__()
        if channels % GROUPS:
            raise UserError(
                f"attention to the content needs a number of channels that is a multiple of {GROUPS}, not {channels}: "
                "choose another width"
            )
        self.norm = nn.GroupNorm(GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        heads = channels // HEAD_DIM
        self.transformer_blocks = nn.ModuleList(
            [ContentBlock(dim=channels, heads=heads, content_dim=content_dim, published_keys=published_keys)]
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
