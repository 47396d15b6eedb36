"""Semi-analytic solvers of the mean-reverting SDE run backwards, of first and second order.

Derivation, in the letters of `mr_ode`: y = x - mu, alpha, sigma, l = log(alpha / sigma) and h = l_s - l_t > 0. The
reverse SDE dy = [-theta y - 2 lambda^2 theta score] dt + lambda sqrt(2 theta) dw has twice the score of the ODE. With
theta dt = -(sigma / lambda)^2 dl its parts are

    noise:  d(y / alpha) = -2 exp(-l) eps dl + sqrt(2) exp(-l) dw_l
    data:   d(y / b) = 2 (alpha / b) y_0 dl + (sigma / b) sqrt(2) dw_l,   b = sigma exp(-l) = sigma^2 / alpha

(w_l is Brownian motion in l). The linear part and the noise are exact; with D_0 + (l - l_t) D_1 for the network,

    noise:  y_s = (alpha_s / alpha_t) y_t - 2 sigma_s [(e^h - 1) D_0 + (e^h - 1 - h) D_1] + sigma_s sqrt(e^2h - 1) z
    data:   y_s = (sigma_s / sigma_t) e^-h y_t + alpha_s [(1 - e^-2h) D_0 + (h - (1 - e^-2h) / 2) D_1]
                  + sigma_s sqrt(1 - e^-2h) z

The first-order data form is the Gaussian bridge between x_t and the estimated clean image: posterior sampling, at any
real time. "Second order" holds for the deterministic part and, as measured, for the variance of Gaussian data. The
noise form multiplies errors of the prediction by 2 (e^h - 1), which blows up below about ten steps: it is there for
comparison. The step to s = 0 returns the estimate of the clean image: for data that is the limit of the formula; the
noise form would leave noise of level sigma_t / alpha_t.

References:
    MaRS: A Fast Sampler for Mean Reverting Diffusion based on ODE and SDE Solvers (Li et al., 2025)
        https://arxiv.org/abs/2502.07856
    DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022)
        https://arxiv.org/abs/2211.01095
"""

from __future__ import annotations

import math

from torch import Tensor

from models.diffusion.clock import moment
from models.diffusion.noise import NoiseSource
from models.diffusion.samplers.contract import Step, drawn
from models.diffusion.samplers.history import History
from models.diffusion.sde import MeanRevertingSDE


class FirstOrderSDE:
    """The exact linear part and noise, the network held constant over a step.

    Arguments:
        sde: The process.
        prediction: What is held: "data" (the clean image) or "noise".
    """

    order = 1

    def __init__(self, sde: MeanRevertingSDE, *, prediction: str = "data") -> None:
        self._sde = sde
        self._prediction = prediction
        self._history = History(order=self.order)

    def step(self, given: Step, noise: NoiseSource) -> Tensor:
        """Return the state at `given.earlier`; noise is drawn at every step but the last."""
        now, then = moment(self._sde, given.time), moment(self._sde, given.earlier)
        state = given.state - given.degraded
        clean = (state - now.spread * given.predicted) / now.kept
        if given.earlier == 0:
            return clean + given.degraded
        h = then.half_log_snr - now.half_log_snr
        if self._prediction == "noise":
            slope = self._history.slope(given.predicted, now.half_log_snr)
            moved = then.kept / now.kept * state - 2 * then.spread * math.expm1(h) * given.predicted
            if slope is not None:
                moved = moved - 2 * then.spread * (math.expm1(h) - h) * slope
            std = then.spread * math.sqrt(math.expm1(2 * h))
        else:
            slope = self._history.slope(clean, now.half_log_snr)
            moved = then.spread / now.spread * math.exp(-h) * state - then.kept * math.expm1(-2 * h) * clean
            if slope is not None:
                moved = moved + then.kept * (h + 0.5 * math.expm1(-2 * h)) * slope
            std = then.spread * math.sqrt(-math.expm1(-2 * h))
        return moved + std * drawn(noise, state) + given.degraded


class SecondOrderSDE(FirstOrderSDE):
    """The exact linear part and noise, the network extrapolated along the line through the last two predictions."""

    order = 2
