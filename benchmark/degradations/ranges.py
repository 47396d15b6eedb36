"""Parameters of operations: given ones are checked, the others drawn."""

from __future__ import annotations

import math

import numpy as np

from models.errors import UserError


def within(name: str, value: float, low: float, high: float) -> float:
    """Return `value` when it lies in [low, high].

    Raises:
        UserError: It does not, or is no number; the parameter and its range are named.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"parameter {name} must be a number from {low:g} to {high:g}, got {value!r}")
    if not low <= value <= high:
        raise UserError(f"parameter {name} must lie from {low:g} to {high:g}, got {value:g}")
    return value


def drawn(
    generator: np.random.Generator,
    name: str,
    value: float | None,
    usual: tuple[float, float],
    allowed: tuple[float, float],
) -> float:
    """Return the given value, or one drawn uniformly from the usual range when it is None.

    The generator advances in both cases, so giving one parameter does not change how the others are drawn.

    Arguments:
        generator: Source of randomness.
        name: Name of the parameter, for errors.
        value: What the user gave, or None.
        usual: Range of the draw.
        allowed: Range that a given value must lie in.

    Raises:
        UserError: A given value is outside of `allowed`.
    """
    chance = generator.uniform(*usual)
    return chance if value is None else within(name, value, *allowed)
