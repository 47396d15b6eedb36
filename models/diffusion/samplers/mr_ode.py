"""Semi-analytic solvers of the probability-flow ODE of the mean-reverting SDE, of first and second order.

Derivation. Let y = x - mu, alpha = exp(-Theta dt), sigma = lambda sqrt(1 - alpha^2), so y_t ~ N(alpha y_0, sigma^2):
minus the degraded image the process is variance-preserving, with lambda as unit. The clock is l = log(alpha / sigma),
which grows from T to 0. From d alpha / alpha = -theta dt one gets theta dt = -(sigma / lambda)^2 dl, d log alpha =
(sigma / lambda)^2 dl and d log sigma = -alpha^2 dl. The ODE dy = [-theta y - lambda^2 theta score] dt with

    score = -eps / sigma = -(y - alpha y_0) / sigma^2

becomes, with eps(l) and y_0(l) what the network predicts on the way,

    noise:  d(y / alpha) = -exp(-l) eps dl          data:  d(y / sigma) = exp(l) y_0 dl

The linear part is gone: it is exact at any step. Over a step from t to s with h = l_s - l_t > 0, the network is
replaced by D_0 + (l - l_t) D_1, where D_0 is the prediction at t and D_1 is 0 (first order) or the slope between the
last two predictions (second order); the integral of an exponential times a line is elementary:

    noise:  y_s = (alpha_s / alpha_t) y_t - sigma_s [(e^h - 1) D_0 + (e^h - 1 - h) D_1]
    data:   y_s = (sigma_s / sigma_t) y_t + alpha_s [(1 - e^-h) D_0 + (h - 1 + e^-h) D_1]

The errors of a whole path are O(h) and O(h^2). The two forms of first order are the same step (D_0 of one is linear in
y_t and D_0 of the other); of second order the data form is the better one at few steps. The step to s = 0 has an
infinite h; both first-order forms then tend to the estimate of the clean image, (y_t - sigma_t D_0) / alpha_t with D_0
the noise, and that is what the last step returns.

References:
    MaRS: A Fast Sampler for Mean Reverting Diffusion based on ODE and SDE Solvers (Li et al., 2025)
        https://arxiv.org/abs/2502.07856
    DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022)
        https://arxiv.org/abs/2211.01095
"""

from __future__ import annotations

from models.diffusion.samplers.semi_analytic import SemiAnalytic


class FirstOrderODE(SemiAnalytic):
    """The exact linear part, the network held constant over a step; no noise is drawn."""

    factor = 1
    order = 1


class SecondOrderODE(FirstOrderODE):
    """The exact linear part, the network extrapolated along the line through the last two predictions."""

    order = 2
