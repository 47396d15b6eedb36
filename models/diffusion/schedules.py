"""How fast the process forgets the clean image: the published schedules of theta."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from models.errors import UserError, close_match


def constant(steps: int) -> Tensor:
    """Return thetas that are all 1.

    Arguments:
        steps: Number of steps T.

    Returns:
        Speeds with shape `(steps + 1,)`; entry 0 is not a step.
    """
    return torch.ones(steps + 1, dtype=torch.float32)


def linear(steps: int) -> Tensor:
    """Return thetas that grow linearly; 1000 steps would go from 0.0001 to 0.02.

    Arguments:
        steps: Number of steps T.

    Returns:
        Speeds with shape `(steps + 1,)`; entry 0 is not a step.

    References:
        Denoising Diffusion Probabilistic Models (Ho et al., 2020) https://arxiv.org/abs/2006.11239
    """
    scale = 1000 / (steps + 1)
    return torch.linspace(scale * 0.0001, scale * 0.02, steps + 1, dtype=torch.float32)


def cosine(steps: int) -> Tensor:
    """Return thetas that start near 0 and end near 1 along a squared cosine.

    With N = steps + 2 and f(k) = cos^2((k / N + s) / (1 + s) * pi / 2), s = 0.008: theta_t = 1 - f(t + 1) / f(0). This
    is the cumulative product of the cosine schedule itself, not the ratio of neighbours, as IR-SDE was published.

    Arguments:
        steps: Number of steps T.

    Returns:
        Speeds with shape `(steps + 1,)`; entry 0 is not a step.

    References:
        Improved Denoising Diffusion Probabilistic Models (Nichol and Dhariwal, 2021) https://arxiv.org/abs/2102.09672
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
            https://arxiv.org/abs/2301.11699
    """
    intervals, offset = steps + 2, 0.008
    grid = torch.linspace(0, intervals, intervals + 1, dtype=torch.float32)
    kept = torch.cos(((grid / intervals) + offset) / (1 + offset) * math.pi * 0.5) ** 2
    kept = kept / kept[0]
    return 1 - kept[1:-1]


SCHEDULES: dict[str, Callable[[int], Tensor]] = {"cosine": cosine, "linear": linear, "constant": constant}


def schedule(name: str, *, steps: int) -> Tensor:
    """Return the thetas of the schedule called `name`, with shape `(steps + 1,)`.

    Raises:
        UserError: There is no such schedule.
    """
    if name not in SCHEDULES:
        raise UserError(
            f"there is no diffusion schedule {name!r}{close_match(name, SCHEDULES)} (known: {', '.join(SCHEDULES)})"
        )
    return SCHEDULES[name](steps)
