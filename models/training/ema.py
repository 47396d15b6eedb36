"""Exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.training.recipe import Ema


class MovingAverage:
    """Averages the trainable parameters of a module.

    The decay grows from 0 towards its final value as (1 + u) / (10 + u) over the updates u, so the first average is not
    dominated by the initialisation.

    Arguments:
        module: The module to follow.
        settings: Decay, and the number of steps between two updates.
    """

    def __init__(self, module: nn.Module, settings: Ema) -> None:
        self._settings = settings
        self._live = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self.state: dict[str, Tensor] = {name: value.detach().clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the weights after optimiser step `step` (counted from 1)."""
        if step % self._settings.every:
            return
        updates = step // self._settings.every
        decay = min(self._settings.decay, updates / (9 + updates))
        for name, value in self._live.items():
            self.state[name].lerp_(value.detach(), 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Put the average into the module's parameters."""
        parameters = dict(module.named_parameters())
        for name, value in self.state.items():
            parameters[name].copy_(value)

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over a saved average."""
        for name, value in state.items():
            self.state[name].copy_(value)
