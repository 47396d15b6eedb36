"""Gated MLPs over two axes: the tokens of a block see each other, and so do tokens at the same place of a grid's cells.

Maps are kept as `(B, H, W, C)`: every layer but the 3x3 convolutions works on the last dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Axis = Literal["grid", "block"]
# Without gradients, a map is worked on in pieces: what lies between two layers then stays in the processor's cache, and
# the memory of a large image is that of its maps alone.
PIECE_BYTES = 2**20


def gelu(x: Tensor) -> Tensor:
    """Return the tanh approximation of GELU, which the published weights were trained with."""
    return F.gelu(x, approximate="tanh")


def split(x: Tensor, axis: Axis, size: int) -> Tensor:
    """View a map with shape `(B, H, W, C)` as `(B, rows, rows inside, columns, columns inside, C)`.

    Arguments:
        x: The map; height and width are multiples of `size`.
        axis: "block" for blocks of `size` x `size` pixels, "grid" for `size` x `size` cells however large.
        size: See `axis`.
    """
    batch, height, width, channels = x.shape
    if axis == "grid":
        return x.view(batch, size, height // size, size, width // size, channels)
    return x.view(batch, height // size, size, width // size, size, channels)


def mix(x: Tensor, axis: Axis, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply a linear layer to the tokens that see each other, every channel alike.

    Arguments:
        x: What `split` returns, or a piece of it.
        axis: "grid" for tokens at the same place of all cells, "block" for the tokens inside a block.
        weight: With shape `(N, N)`, N tokens.
        bias: With shape `(N,)`.
    """
    # One product of matrices for all places and channels: N x N times N x everything else.
    order = (1, 3, 0, 2, 4, 5) if axis == "grid" else (2, 4, 0, 1, 3, 5)
    back = (2, 0, 3, 1, 4, 5) if axis == "grid" else (2, 3, 0, 4, 1, 5)
    tokens = x.permute(order)
    mixed = torch.addmm(bias[:, None], weight, tokens.reshape(len(weight), -1))
    return mixed.view(tokens.shape).permute(back)


class AxisGmlp(nn.Module):
    """A gated MLP: one half of the channels is multiplied by the other half mixed over the tokens of an axis.

    Arguments:
        channels: The number C of channels.
        axis: What tokens see each other.
        size: Side of the blocks or of the grid.

    References:
        Pay Attention to MLPs (Liu et al., 2021)
        https://arxiv.org/abs/2105.08050
    """

    def __init__(self, channels: int, *, axis: Axis, size: int) -> None:
        super().__init__()
        self.axis: Axis = axis
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, 2 * channels)
        self.gate_norm = nn.LayerNorm(channels, eps=1e-6)
        self.gate = nn.Linear(size * size, size * size)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map what `split` returns, or a piece of it."""
        y, gate = gelu(self.expand(self.norm(x))).chunk(2, dim=-1)
        gate = mix(self.gate_norm(gate), self.axis, self.gate.weight, self.gate.bias + 1)
        return x + self.project(y * gate)


class TwoAxes(nn.Module):
    """What the two layers below have in common: half of the channels goes along the grid, half along the blocks.

    Arguments:
        channels: The number C of channels of the map; each half has as many.
        size: Side of the blocks and of the grid.
        branch: Called with an axis; returns what a half goes through.
    """

    def __init__(self, channels: int, *, size: int, branch: Callable[[Axis], nn.Module]) -> None:
        super().__init__()
        self.size = size
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, 2 * channels)
        self.grid = branch("grid")
        self.block = branch("block")
        self.project = nn.Linear(2 * channels, channels)

    def add_halves(self, x: Tensor, total: Tensor) -> Tensor:
        """Add to `total` what both halves give for `x`, in place; both have shape `(B, H, W, C)`."""
        channels = x.shape[-1]
        axes: tuple[tuple[Axis, nn.Module], ...] = (("grid", self.grid), ("block", self.block))
        for half, (axis, branch) in enumerate(axes):
            inside = slice(half * channels, (half + 1) * channels)
            weight, bias, out = self.expand.weight[inside], self.expand.bias[inside], self.project.weight[:, inside]
            # Places are independent along one dimension: inside the cells of the grid, or from block to block.
            dim = 2 if axis == "grid" else 1
            pieces, sums = split(x, axis, self.size), split(total, axis, self.size)
            for start, length in _pieces(pieces, dim):
                y = self.norm(pieces.narrow(dim, start, length))
                y = F.linear(branch(gelu(F.linear(y, weight, bias))), out)
                sums.narrow(dim, start, length).add_(y)
        return total


class MultiAxisGmlp(TwoAxes):
    """The multi-axis gated MLP block, with its residual.

    Arguments:
        channels: The number C of channels.
        size: Side of the blocks and of the grid.
    """

    def __init__(self, channels: int, *, size: int) -> None:
        super().__init__(channels, size=size, branch=lambda axis: AxisGmlp(channels, axis=axis, size=size))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, H, W, C)`."""
        return self.add_halves(x, x + self.project.bias)


class Mix(nn.Linear):
    """A linear layer over the tokens of an axis; it starts as the constant one.

    Arguments:
        axis: What tokens see each other.
        size: Side of the blocks or of the grid.
    """

    def __init__(self, *, axis: Axis, size: int) -> None:
        super().__init__(size * size, size * size)
        self.axis: Axis = axis
        nn.init.ones_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map what `split` returns, or a piece of it."""
        return mix(input, self.axis, self.weight, self.bias)


class MultiAxisWeights(TwoAxes):
    """The weights by which another map is multiplied, computed over both axes.

    Arguments:
        channels: The number C of channels.
        size: Side of the blocks and of the grid.
    """

    def __init__(self, channels: int, *, size: int) -> None:
        super().__init__(channels, size=size, branch=lambda axis: Mix(axis=axis, size=size))

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights for `x` with shape `(B, H, W, C)`."""
        return self.add_halves(x, self.project.bias.repeat(*x.shape[:3], 1))


def _pieces(x: Tensor, dim: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of pieces along `dim`; a single one where gradients are wanted."""
    size = x.shape[dim]
    step = size
    if not torch.is_grad_enabled():
        step = max(1, PIECE_BYTES * size // (x.numel() * x.element_size()))
    for start in range(0, size, step):
        yield start, min(step, size - start)
