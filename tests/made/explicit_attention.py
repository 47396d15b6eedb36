"""Attention written out step by step, with every matrix that the fast versions avoid: the reference of their tests.

Run as a program with "explicit" or "ours" and a number of tokens, it prints how many bytes the attention needs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def heads(tokens: Tensor) -> Tensor:
    """Split tokens with shape `(B, N, 32 * heads)` into `(B, heads, N, 32)`."""
    return torch.stack(tokens.split(32, dim=2), dim=1)


def attend(attention: Any, queries: Tensor, context: Tensor) -> Tensor:
    """Multi-head attention of queries to a context, with its matrix of weights for all pairs."""
    q, k, v = heads(attention.to_q(queries)), heads(attention.to_k(context)), heads(attention.to_v(context))
    weights = torch.softmax(torch.einsum("bhid,bhjd->bhij", q, k) * 32**-0.5, dim=-1)
    attended = torch.einsum("bhij,bhjd->bhid", weights, v)
    return attention.to_out(torch.cat(attended.unbind(1), dim=2))


def transform(transformer: Any, x: Tensor, context: Tensor) -> Tensor:
    """The content transformer with cross-attention to any number of context tokens, `(B, M, E)`."""
    height = x.shape[2]
    y = transformer.proj_in(transformer.norm(x))
    tokens = torch.stack([y[:, :, i // y.shape[3], i % y.shape[3]] for i in range(height * y.shape[3])], dim=1)
    for block in transformer.transformer_blocks:
        normed = block.norm1(tokens)
        tokens = tokens + attend(block.attn1, normed, normed)
        tokens = tokens + attend(block.attn2, block.norm2(tokens), context)
        value, gate = block.ff.net[0].proj(block.norm3(tokens)).split(4 * tokens.shape[2], dim=2)
        tokens = tokens + block.ff.net[2](value * gate * 0.5 * (1 + torch.erf(gate / 2**0.5)))
    rows = [torch.stack(row.unbind(1), dim=2) for row in tokens.split(y.shape[3], dim=1)]
    return x + transformer.proj_out(torch.stack(rows, dim=2))


def linear_attention(attention: Any, x: Tensor) -> Tensor:
    """Linear attention head by head, in the order of the published code."""
    area = x.shape[2] * x.shape[3]
    qkv = F.conv2d(x, attention.to_qkv.weight).reshape(len(x), 3, 4, 32, area)
    outputs = []
    for head in range(4):
        q, k, v = (qkv[:, i, head] for i in range(3))
        context = torch.einsum("bdn,ben->bde", k.softmax(dim=2), v / area)
        outputs.append(torch.einsum("bde,bdn->ben", context, q.softmax(dim=1) * 32**-0.5))
    y = attention.to_out[0](torch.cat(outputs, dim=1).reshape(len(x), -1, *x.shape[2:]))
    centred = y - y.mean(dim=1, keepdim=True)
    return centred * (y.var(dim=1, unbiased=False, keepdim=True) + 1e-5).rsqrt() * attention.to_out[1].g


@torch.no_grad()
def peak_bytes(kind: str, count: int) -> int:
    """Resident memory that attention over `count` tokens adds to the process at its peak, for one head."""
    from models.networks.attention import SelfAttention

    attention = SelfAttention(dim=32, heads=1)
    tokens = torch.randn(1, count, 32)

    def run(x: Tensor) -> Tensor:
        return attend(attention, x, x) if kind == "explicit" else attention(x)

    run(tokens[:, :64])
    before = high_water_mark()
    run(tokens)
    return high_water_mark() - before


def high_water_mark() -> int:
    """Most bytes that this program has held; getrusage would count what its parent held before starting it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    print(peak_bytes(sys.argv[1], int(sys.argv[2])))
