"""The step that the semi-analytic solvers of the reverse SDE and of its probability-flow ODE share."""

from __future__ import annotations

import math

from torch import Tensor

from models.diffusion.clock import Moment, moment
from models.diffusion.noise import NoiseSource
from models.diffusion.samplers.contract import Step
from models.diffusion.samplers.history import History
from models.diffusion.sde import MeanRevertingSDE


class SemiAnalytic:
    """The exact linear part; the network held constant, or extrapolated along the line through two predictions.

    The formulas of `mr_ode` and `mr_sde` differ in one factor f, the weight of the score, and in the noise:

        noise:  y_s = (alpha_s / alpha_t) y_t - f sigma_s [(e^h - 1) D_0 + (e^h - 1 - h) D_1]
        data:   y_s = (sigma_s / sigma_t) e^(1-f)h y_t + alpha_s [(1 - e^-fh) D_0 + (h - (1 - e^-fh) / f) D_1]

    Arguments:
        sde: The process.
        prediction: What is held or extrapolated: "data" (the clean image) or "noise".
    """

    factor: int
    order: int

    def __init__(self, sde: MeanRevertingSDE, *, prediction: str = "data") -> None:
        self._sde = sde
        self._prediction = prediction
        self._history = History(order=self.order)

    def step(self, given: Step, noise: NoiseSource) -> Tensor:
        """Return the state at `given.earlier`; at the end it is the estimate of the clean image."""
        now, then = moment(self._sde, given.time), moment(self._sde, given.earlier)
        state = given.state - given.degraded
        clean = (state - now.spread * given.predicted) / now.kept
        if given.earlier == 0:
            return clean + given.degraded
        f, h = self.factor, then.half_log_snr - now.half_log_snr
        if self._prediction == "noise":
            slope = self._history.slope(given.predicted, now.half_log_snr)
            moved = then.kept / now.kept * state - f * then.spread * math.expm1(h) * given.predicted
            if slope is not None:
                moved = moved - f * then.spread * (math.expm1(h) - h) * slope
        else:
            slope = self._history.slope(clean, now.half_log_snr)
            moved = then.spread / now.spread * math.exp((1 - f) * h) * state - then.kept * math.expm1(-f * h) * clean
            if slope is not None:
                moved = moved + then.kept * (h + math.expm1(-f * h) / f) * slope
        return self.noisy(moved, then, h, noise) + given.degraded

    def noisy(self, moved: Tensor, then: Moment, h: float, noise: NoiseSource) -> Tensor:
        """Return the moved state with the noise of the step; an ODE has none."""
        return moved
