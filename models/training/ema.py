"""Exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.training.processes import alike
from models.training.settings import Ema

# ema-pytorch's own defaults, which the authors left as they are.
COPY_UNTIL = 100
POWER = 2 / 3


def decay_after(step: int, settings: Ema) -> float | None:
    """Return the weight of the old average after optimiser step `step` (counted from 1); None when it stays as it is.

    Rule "counted": (1 + u) / (10 + u) over the updates u from 0, up to `decay`, so that the first average is not
    dominated by the initialisation.

    Rule "ema-pytorch", of the package of that name, version 0.2.3, as the authors used it: calls are counted from 0 and
    every `every`-th counts. Up to call 100, and at the first one after it, the weights are copied; from then on the
    weight is min(decay, 1 - (1 + e)^(-2/3)), with e the calls since call 100.

    Arguments:
        step: Number of optimiser steps done.
        settings: Rule, final decay, and the number of steps between two updates.
    """
    if settings.rule == "ema-pytorch":
        call = step - 1
        if call % settings.every:
            return None
        first = (COPY_UNTIL // settings.every + 1) * settings.every
        return 0.0 if call <= first else min(settings.decay, 1 - (1 + call - COPY_UNTIL) ** -POWER)
    if step % settings.every:
        return None
    updates = step // settings.every
    return min(settings.decay, updates / (9 + updates))


class MovingAverage:
    """Averages the trainable parameters of a module.

    Arguments:
        module: The module to follow.
        settings: Rule, decay, and the number of steps between two updates.
    """

    def __init__(self, module: nn.Module, settings: Ema) -> None:
        self._settings = settings
        self._live = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self.state: dict[str, Tensor] = {name: value.detach().clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the weights after optimiser step `step` (counted from 1)."""
        decay = decay_after(step, self._settings)
        if decay is None:
            return
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
            self.state[name].copy_(alike(value, self.state[name]))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the module have the average instead of its weights while the block runs."""
        live = {name: value.detach().clone() for name, value in self._live.items()}
        try:
            with torch.no_grad():
                for name, value in self._live.items():
                    value.copy_(self.state[name])
            yield
        finally:
            with torch.no_grad():
                for name, value in self._live.items():
                    value.copy_(live[name])
