"""One step back in time: Euler steps of the reverse SDE and ODE, and the exact step when the clean image is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.diffusion.sde import MeanRevertingSDE, Time


def forgotten(sde: MeanRevertingSDE, time: Time, earlier: Time | None) -> Tensor:
    """Return the integral of theta (in units of dt) between two steps.

    Arguments:
        sde: The process.
        time: The later step.
        earlier: The earlier step; None for the neighbour `time - 1`, whose table entry is exact.

    Returns:
        Theta_time - Theta_earlier.
    """
    if earlier is None or (isinstance(time, int) and isinstance(earlier, int) and earlier == time - 1):
        return sde.at(sde.thetas, time)
    return sde.at(sde.cumulative, time) - sde.at(sde.cumulative, earlier)


def reverse_mean(
    sde: MeanRevertingSDE,
    state: Tensor,
    degraded: Tensor,
    score: Tensor,
    time: Time,
    *,
    earlier: Time | None = None,
    deterministic: bool = False,
) -> Tensor:
    """Return the mean of one Euler step of the reverse SDE, or one of the probability-flow ODE.

        SDE: x - [theta (mu - x) - sigma^2 score] dt        ODE: with sigma^2 / 2

    Over several steps at once theta is their sum, and sigma^2 = 2 lambda^2 theta.

    Arguments:
        sde: The process.
        state: x_t, with shape `(B, C, H, W)`.
        degraded: mu, with the same shape.
        score: Score at x_t, with the same shape.
        time: The step t.
        earlier: Where to go; None for t - 1.
        deterministic: True for the ODE.

    Returns:
        The mean of the state at `earlier`.

    References:
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
            https://arxiv.org/abs/2301.11699
        Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021)
            https://arxiv.org/abs/2011.13456
    """
    theta = forgotten(sde, time, earlier)
    variance = torch.sqrt(sde.level**2 * 2 * theta) ** 2
    variance = 0.5 * variance if deterministic else variance
    return state - (theta * (degraded - state) - variance * score) * sde.dt


def reverse_std(sde: MeanRevertingSDE, time: Time, *, earlier: Time | None = None) -> Tensor:
    """Return the standard deviation of one Euler step of the reverse SDE."""
    return torch.sqrt(sde.level**2 * 2 * forgotten(sde, time, earlier)) * math.sqrt(sde.dt)


def optimum_state(
    sde: MeanRevertingSDE, state: Tensor, degraded: Tensor, clean: Tensor, time: Time, *, earlier: Time | None = None
) -> Tensor:
    """Return the most likely earlier state when the clean image is known: the mean of the Gaussian bridge.

    With A = exp(-(Theta_t - Theta_s) dt), B = exp(-Theta_t dt) and C = exp(-Theta_s dt), for any s < t:

        x*_s = mu + A (1 - C^2) / (1 - B^2) (x_t - mu) + C (1 - A^2) / (1 - B^2) (x_0 - mu)

    Arguments:
        sde: The process.
        state: x_t, with shape `(B, C, H, W)`.
        degraded: mu, with the same shape.
        clean: x_0 or an estimate of it, with the same shape.
        time: The step t.
        earlier: The step s; None for t - 1.

    Returns:
        x*_s with the same shape; `clean` itself when s is 0.

    References:
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
            https://arxiv.org/abs/2301.11699
    """
    a = torch.exp(-forgotten(sde, time, earlier) * sde.dt)
    b = torch.exp(-sde.at(sde.cumulative, time) * sde.dt)
    c = torch.exp(-sde.at(sde.cumulative, time - 1 if earlier is None else earlier) * sde.dt)
    kept = a * (1 - c**2) / (1 - b**2)
    known = c * (1 - a**2) / (1 - b**2)
    return kept * (state - degraded) + known * (clean - degraded) + degraded


def optimum_std(sde: MeanRevertingSDE, time: Time, *, earlier: Time | None = None) -> Tensor:
    """Return the standard deviation around `optimum_state`: lambda sqrt((1 - A^2) (1 - C^2) / (1 - B^2)).

    It is held above 1e-10 sqrt(dt) lambda, as published, so that its logarithm exists where the bridge ends.

    References:
        Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models (Luo et al., 2024)
            https://arxiv.org/abs/2404.09732
    """
    a = torch.exp(-2 * forgotten(sde, time, earlier) * sde.dt)
    b = torch.exp(-2 * sde.at(sde.cumulative, time) * sde.dt)
    c = torch.exp(-2 * sde.at(sde.cumulative, time - 1 if earlier is None else earlier) * sde.dt)
    variance = (1 - a) * (1 - c) / (1 - b)
    smallest = (1e-20 * sde.dt).to(variance.device)
    return (0.5 * torch.log(torch.clamp(variance, min=smallest))).exp() * sde.level
