"""Checking a parameter that was given, drawing one that was not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from models.errors import UserError, close_match


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


def flag(name: str, value: bool) -> bool:
    """Return `value` when it is true or false.

    Raises:
        UserError: It is something else.
    """
    if not isinstance(value, bool):
        raise UserError(f"{name} must be true or false, not {value!r}")
    return value


def choice(name: str, value: str | None, generator: np.random.Generator, *, allowed: Sequence[str]) -> str:
    """Return `value` when it is one of `allowed`, or one of them at random when it is None.

    Raises:
        UserError: It is something else; the message names the closest one.
    """
    if value is None:
        return allowed[int(generator.integers(len(allowed)))]
    if value not in allowed:
        hint = close_match(value, allowed) if isinstance(value, str) else ""
        raise UserError(f"{name} must be one of {', '.join(allowed)}, not {value!r}{hint}")
    return value


def side(name: str, value: int | None, generator: np.random.Generator, *, largest: int = 19) -> int:
    """Return the side of a kernel when it is odd and from 3 to 99, or an odd one from 5 to `largest` when it is None.

    Raises:
        UserError: It is even, out of range or no whole number.
    """
    if value is None:
        return 2 * int(generator.integers(2, largest // 2, endpoint=True)) + 1
    if isinstance(value, bool) or not isinstance(value, int) or not 3 <= value <= 99 or value % 2 == 0:
        raise UserError(f"{name} must be an odd whole number from 3 to 99, not {value!r}")
    return value
