"""Checking a parameter that was given, drawing one that was not."""

from __future__ import annotations

import math

import numpy as np

from models.errors import UserError


def number(
    name: str,
    value: float | None,
    generator: np.random.Generator,
    *,
    allowed: tuple[float, float],
    drawn: tuple[float, float],
    logarithmic: bool = False,
) -> float:
    """Return `value` when it is allowed, or a random value when it is None.

    Arguments:
        name: Name of the parameter, for the message.
        value: What was given.
        generator: Source of randomness.
        allowed: Smallest and largest accepted value.
        drawn: The interval from which a missing value is drawn.
        logarithmic: Draw uniformly in the logarithm instead of in the value.

    Returns:
        The value.

    Raises:
        UserError: The value is not a number in `allowed`.
    """
    if value is None:
        if logarithmic:
            return float(math.exp(generator.uniform(math.log(drawn[0]), math.log(drawn[1]))))
        return float(generator.uniform(*drawn))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not allowed[0] <= value <= allowed[1]:
        raise UserError(f"{name} must be a number from {allowed[0]:g} to {allowed[1]:g}, not {value!r}")
    return float(value)


def integer(
    name: str,
    value: int | None,
    generator: np.random.Generator,
    *,
    allowed: tuple[int, int],
    drawn: tuple[int, int],
) -> int:
    """Return `value` when it is an allowed whole number, or a random one (both ends included) when it is None.

    Raises:
        UserError: The value is not a whole number in `allowed`.
    """
    if value is None:
        return int(generator.integers(drawn[0], drawn[1], endpoint=True))
    if isinstance(value, bool) or not isinstance(value, int) or not allowed[0] <= value <= allowed[1]:
        raise UserError(f"{name} must be a whole number from {allowed[0]} to {allowed[1]}, not {value!r}")
    return value
