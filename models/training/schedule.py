"""The course of the learning rate, a function of the step alone."""

from __future__ import annotations

import math
from itertools import accumulate

from models.training.recipe import Recipe
from models.training.settings import Schedule


def learning_rate(recipe: Recipe, step: int, *, top: float | None = None) -> float:
    """Return the learning rate of a step.

    Arguments:
        recipe: Its `schedule` and its number of steps.
        step: Optimiser step, counted from 0.
        top: The rate that the schedule starts from; the recipe's `optimizer.lr` when None.

    References:
        SGDR: Stochastic Gradient Descent with Warm Restarts (Loshchilov and Hutter, 2017)
            https://arxiv.org/abs/1608.03983
    """
    schedule = recipe.schedule
    top = recipe.optimizer.lr if top is None else top
    warm = schedule.warmup_steps
    if step < warm:
        return top * (step + 1) / warm
    if schedule.kind == "constant":
        return top
    if schedule.kind == "multi-step":
        return _after_milestones(schedule, step, top)
    if schedule.kind == "cosine-restarts":
        return _within_period(schedule, step, top)
    low = schedule.minimum_lr
    fall = warm + schedule.hold_steps
    part = max(step - fall, 0) / max(recipe.steps - fall, 1)
    if schedule.kind == "linear":
        return low + (top - low) * (1 - part)
    return low + (top - low) * 0.5 * (1 + math.cos(math.pi * part))


def _after_milestones(schedule: Schedule, step: int, top: float) -> float:
    factors = schedule.gamma if isinstance(schedule.gamma, list) else [schedule.gamma] * len(schedule.milestones)
    reached = (factor for factor, at in zip(factors, schedule.milestones, strict=True) if step >= at)
    return top * math.prod(reached)


def _within_period(schedule: Schedule, step: int, top: float) -> float:
    ends = list(accumulate(schedule.periods))
    number = next((n for n, end in enumerate(ends) if step < end), len(ends) - 1)
    length = schedule.periods[number]
    part = min((step - (ends[number] - length)) / length, 1.0)
    weight = schedule.restart_weights[number] if schedule.restart_weights else 1.0
    low = schedule.minimum_lrs[number] if schedule.minimum_lrs else schedule.minimum_lr
    return low + weight * 0.5 * (top - low) * (1 + math.cos(math.pi * part))
