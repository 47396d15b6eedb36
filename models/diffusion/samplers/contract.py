"""What every sampler is: something that takes one step back in time, given what the network said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from models.diffusion.noise import NoiseSource


@dataclass(frozen=True, kw_only=True)
class Step:
    """All that a step starts from.

    Arguments:
        state: x_t, with shape `(B, C, H, W)`.
        degraded: mu, with the same shape.
        predicted: The noise that the network sees in the state, with the same shape.
        time: t, in (0, T].
        earlier: Where to go, in [0, t).
    """

    state: Tensor
    degraded: Tensor
    predicted: Tensor
    time: float
    earlier: float


class Sampler(Protocol):
    """A sampler for one batch; it may remember earlier steps."""

    def step(self, given: Step, noise: NoiseSource) -> Tensor:
        """Return the state at `given.earlier`, with shape `(B, C, H, W)`; at 0 that is the restored image."""
        ...


def drawn(noise: NoiseSource, like: Tensor) -> Tensor:
    """Return noise for a batch with shape `(B, C, H, W)`, drawn on the CPU and moved to where `like` is."""
    return noise.draw(tuple(like.shape[1:])).to(like)
