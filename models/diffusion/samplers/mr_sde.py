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

from models.diffusion.clock import Moment
from models.diffusion.noise import NoiseSource
from models.diffusion.samplers.contract import drawn
from models.diffusion.samplers.semi_analytic import SemiAnalytic


class FirstOrderSDE(SemiAnalytic):
    """The exact linear part and noise, the network held constant over a step; the last step draws no noise."""

    factor = 2
    order = 1

    def noisy(self, moved: Tensor, then: Moment, h: float, noise: NoiseSource) -> Tensor:
        """Return the moved state with the noise of the step."""
        grown = math.expm1(2 * h) if self._prediction == "noise" else -math.expm1(-2 * h)
        return moved + then.spread * math.sqrt(grown) * drawn(noise, moved)


class SecondOrderSDE(FirstOrderSDE):
    """The exact linear part and noise, the network extrapolated along the line through the last two predictions."""

    order = 2
