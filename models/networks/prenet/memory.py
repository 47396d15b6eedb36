"""What carries PReNet's memory from stage to stage: a convolutional LSTM or GRU, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Memory(Protocol):
    """The memory of one run; the layers that it works with belong to the network."""

    def step(self, x: Tensor) -> Tensor:
        """Let a stage's features with shape `(B, C, H, W)` meet the memory, and return what the stage goes on with."""
        ...


class NoMemory:
    """Features pass as they are.

    Arguments:
        layers: None.
    """

    gates = ""

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        assert not layers

    def step(self, x: Tensor) -> Tensor:
        """Return `x`."""
        return x


class LstmMemory:
    """A convolutional LSTM whose four gates are computed by one convolution, which saves a fifth of a network's time.

    The memory of the first stage is empty: the half of the weights that would multiply zeros is left out there.

    Arguments:
        layers: The convolutions of the input, forget, candidate and output gate, from 2C to C channels.
    """

    gates = "ifgo"

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        self._gates = _Joined(layers)
        self._hidden: Tensor | None = None
        self._cell: Tensor | None = None

    def step(self, x: Tensor) -> Tensor:
        """Return the new hidden state."""
        i, f, g, o = self._gates(x, self._hidden).chunk(4, dim=1)
        fresh = torch.sigmoid(i) * torch.tanh(g)
        self._cell = fresh if self._cell is None else torch.sigmoid(f) * self._cell + fresh
        self._hidden = torch.sigmoid(o) * torch.tanh(self._cell)
        return self._hidden


class GruMemory:
    """A convolutional GRU; the candidate's hidden half stands in front of its own.

    Arguments:
        layers: The convolutions of the update gate, the reset gate and the candidate, from 2C to C channels.
    """

    gates = "zbg"

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        self._gates = _Joined(layers[:2])
        self._candidate = layers[2]
        self._hidden: Tensor | None = None

    def step(self, x: Tensor) -> Tensor:
        """Return the new hidden state."""
        z, b = torch.sigmoid(self._gates(x, self._hidden)).chunk(2, dim=1)
        hidden = torch.zeros_like(x) if self._hidden is None else self._hidden
        candidate = torch.tanh(self._candidate(torch.cat([b * hidden, x], dim=1)))
        self._hidden = (1 - z) * hidden + z * candidate
        return self._hidden


class _Joined:
    """Several convolutions of the same features and hidden state as one."""

    def __init__(self, layers: Sequence[nn.Conv2d]) -> None:
        self._weight = torch.cat([layer.weight for layer in layers])
        self._bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])

    def __call__(self, x: Tensor, hidden: Tensor | None) -> Tensor:
        if hidden is None:
            return F.conv2d(x, self._weight[:, : x.shape[1]], self._bias, padding=1)
        return F.conv2d(torch.cat([x, hidden], dim=1), self._weight, self._bias, padding=1)


MEMORIES: dict[str, type[LstmMemory | GruMemory | NoMemory]] = {
    "lstm": LstmMemory,
    "gru": GruMemory,
    "none": NoMemory,
}
