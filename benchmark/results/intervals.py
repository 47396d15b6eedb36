"""How far a mean over a test set could be off: percentile bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.errors import UserError

BLOCK = 4_000_000
"""Drawn indices held in memory at a time."""


def resampled_means(values: np.ndarray, *, samples: int, generator: np.random.Generator) -> np.ndarray:
    """Return the means of `samples` draws with replacement of as many values as there are."""
    means = np.empty(samples)
    rows = max(1, BLOCK // values.size)
    for start in range(0, samples, rows):
        count = min(rows, samples - start)
        means[start : start + count] = values[generator.integers(values.size, size=(count, values.size))].mean(axis=1)
    return means


def grouped_bootstrap_interval(
    groups: Sequence[Sequence[float]], *, level: float = 0.95, samples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return a percentile interval for the unweighted mean of the groups' means.

    Values are redrawn inside each group and the groups themselves are kept: the ten test sets are not a sample of test
    sets, but the images in them are a sample of images.

    Arguments:
        groups: The per-image scores of each test set.
        level: Probability that the interval covers, in (0, 1).
        samples: Number of redrawn data sets.
        seed: Seed of the draws; the same input and seed give the same interval.

    Returns:
        The lower and the upper end. Both are redrawn means (none are interpolated), so a set with an infinite PSNR
        gives infinite ends and not an undefined difference of infinities.

    Raises:
        UserError: There is no group, a group is empty or holds a NaN, or the level is outside (0, 1).

    References:
        An Introduction to the Bootstrap (Efron and Tibshirani, 1993), chapter 13
    """
    if not 0.0 < level < 1.0:
        raise UserError(f"the level of an interval lies between 0 and 1 and is not {level}")
    if samples < 1:
        raise UserError(f"an interval needs at least one bootstrap sample, not {samples}")
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    if not arrays or any(array.size == 0 for array in arrays):
        raise UserError("an interval needs at least one score in every group")
    if any(np.isnan(array).any() for array in arrays):
        raise UserError("an interval cannot be computed: a score is not a number (NaN)")
    total = np.zeros(samples)
    for index, array in enumerate(arrays):
        total += resampled_means(array, samples=samples, generator=np.random.default_rng([seed, index]))
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(total / len(arrays), [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)


def bootstrap_interval(
    values: Sequence[float], *, level: float = 0.95, samples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return a percentile interval for the mean of `values`; see `grouped_bootstrap_interval` for one group.

    Arguments:
        values: The per-image scores of one test set.
        level: Probability that the interval covers, in (0, 1).
        samples: Number of redrawn data sets.
        seed: Seed of the draws.

    Returns:
        The lower and the upper end.

    Raises:
        UserError: There are no values, one is NaN, or the level is outside (0, 1).
    """
    return grouped_bootstrap_interval([values], level=level, samples=samples, seed=seed)
