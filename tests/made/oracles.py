"""Networks whose answer is known exactly, because the clean images follow a law that is known exactly."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.diffusion.clock import moment
from models.diffusion.sde import MeanRevertingSDE

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


def gaussian(sde: MeanRevertingSDE, *, mean: float, std: float) -> Predict:
    """The exact noise for clean pixels ~ N(mean, std^2); std 0 is a known clean image.

    x_t - mu ~ N(alpha (mean - mu), alpha^2 std^2 + sigma^2), and the noise is -sigma times the score.
    """

    def predict(state: Tensor, degraded: Tensor, time: Tensor) -> Tensor:
        now = moment(sde, float(time[0]) / sde.time_scale)
        centred = state - degraded - now.kept * (mean - degraded)
        return now.spread * centred / (now.kept**2 * std**2 + now.spread**2)

    return predict


def gaussian_flow(
    sde: MeanRevertingSDE, state: Tensor, degraded: Tensor, *, mean: float, std: float, start: float, end: float
) -> Tensor:
    """Where the probability-flow ODE carries a state: for a Gaussian it stretches around the mean."""
    first, last = moment(sde, start), moment(sde, end)
    spreads = [(m.kept**2 * std**2 + m.spread**2) ** 0.5 for m in (first, last)]
    centred = state - degraded - first.kept * (mean - degraded)
    return degraded + last.kept * (mean - degraded) + spreads[1] / spreads[0] * centred


class Counted:
    """A network that counts its evaluations and remembers the times it was told."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict
        self.times: list[float] = []

    def __call__(self, state: Tensor, degraded: Tensor, time: Tensor) -> Tensor:
        assert time.shape == (len(state),)
        assert len(set(time.tolist())) == 1
        self.times.append(float(time[0]))
        return self.predict(state, degraded, time)


class CountedNoise:
    """A noise source that counts its draws."""

    def __init__(self, *, batch: int = 1, dtype: torch.dtype = torch.float64) -> None:
        self.draws = 0
        self._batch, self._dtype = batch, dtype
        self._generator = torch.Generator().manual_seed(3)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        self.draws += 1
        return torch.randn((self._batch, *shape), generator=self._generator, dtype=self._dtype)
