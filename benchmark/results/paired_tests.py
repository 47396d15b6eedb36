"""Whether one method is better than another on the same images: paired tests, corrected for how many are made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.results.intervals import resampled_means
from models.errors import UserError

MARK = "°"
LEGEND = (
    f"{MARK} marks a mean that is not significantly worse than the best of its column: paired bootstrap over the "
    "images of each type, 5 % level, Holm correction for the comparisons of the column."
)


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """How far two methods are apart on the same images.

    Arguments:
        difference: The unweighted mean over the types of the mean difference.
        ci95: Percentile interval of it.
        p: Two-sided probability of a difference at least as far from zero, were there none.
        n: Images.
    """

    difference: float
    ci95: tuple[float, float]
    p: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A method against the best one.

    Arguments:
        test: The method minus the best, by paired bootstrap.
        p_wilcoxon: Two-sided p of the signed-rank test over all images.
        p_holm: The bootstrap's p after Holm's correction.
        significant: Whether `p_holm` is below the level.
    """

    test: PairedTest
    p_wilcoxon: float
    p_holm: float
    significant: bool


def paired_bootstrap(groups: Sequence[Sequence[float]], *, samples: int = 10_000, seed: int = 0) -> PairedTest:
    """Test whether the unweighted mean of the groups' mean differences is zero.

    Arguments:
        groups: Differences between two methods, image by image, for each type.
        samples: Number of redrawn data sets; the smallest p is `2 / (samples + 1)`.
        seed: Seed of the draws; the same input and seed give the same numbers.

    Raises:
        UserError: There is no group, or one is empty or holds a NaN.

    References:
        An Introduction to the Bootstrap (Efron and Tibshirani, 1993), chapter 16
    """
    arrays = [np.asarray(group, dtype=np.float64) for group in groups]
    if not arrays or any(array.size == 0 for array in arrays):
        raise UserError("a paired test needs at least one difference in every group")
    if any(np.isnan(array).any() for array in arrays):
        raise UserError("a paired test cannot be made: a difference is not a number (NaN)")
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        total = np.zeros(samples)
        for index, array in enumerate(arrays):
            total += resampled_means(array, samples=samples, generator=np.random.default_rng([seed, index]))
        total /= len(arrays)
        centre = float(np.mean([array.mean() for array in arrays]))
    # Where infinite differences of both signs meet, a redrawn mean is undefined: it counts for both sides.
    undecided = np.isnan(total)
    below, above = int((undecided | (total <= 0)).sum()), int((undecided | (total >= 0)).sum())
    p = min(1.0, 2 * (min(below, above) + 1) / (samples + 1))
    known = total[~undecided]
    ends = np.quantile(known, [0.025, 0.975], method="inverted_cdf") if known.size else (math.nan, math.nan)
    return PairedTest(
        difference=centre, ci95=(float(ends[0]), float(ends[1])), p=p, n=sum(array.size for array in arrays)
    )


def wilcoxon(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; 1 when no two images differ.

    Arguments:
        differences: Between two methods, image by image; zeros are ranked and then left out (Pratt).

    Raises:
        UserError: A difference is NaN.

    References:
        Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures (Pratt, 1959),
        https://doi.org/10.1080/01621459.1959.10501526
    """
    from scipy import stats

    array = np.asarray(differences, dtype=np.float64)
    if np.isnan(array).any():
        raise UserError("a paired test cannot be made: a difference is not a number (NaN)")
    if not array.any():
        return 1.0
    tested: Any = stats.wilcoxon(array, zero_method="pratt")
    return float(tested.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down procedure, in the given order.

    References:
        A Simple Sequentially Rejective Multiple Test Procedure (Holm, 1979), https://www.jstor.org/stable/4615733
    """
    corrected, worst = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = worst
    return corrected


def differences(
    rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], metric: str
) -> dict[str, list[float]] | None:
    """Return by type what `rows` have more than `others` in a metric, or None when they are not the same images.

    Two infinite scores are equal.
    """
    ours = {row["key"]: row for row in rows if row.get(metric) is not None}
    theirs = {row["key"]: row for row in others if row.get(metric) is not None}
    if not ours or ours.keys() != theirs.keys():
        return None
    found: dict[str, list[float]] = {}
    for key in sorted(ours):
        a, b = float(ours[key][metric]), float(theirs[key][metric])
        found.setdefault(ours[key]["degradation"], []).append(0.0 if a == b else a - b)
    return found


def against_best(
    methods: Mapping[str, Sequence[Mapping[str, Any]]], metric: str, *, higher_is_better: bool, level: float = 0.05
) -> dict[str, Comparison]:
    """Compare every method with the best one on the same images.

    Arguments:
        methods: Per-image rows of each method: key, degradation and metrics.
        metric: Name of a per-image metric.
        higher_is_better: Which way is up.
        level: Probability of calling any difference of the column significant when there is none.

    Returns:
        A comparison for every method but the best and those whose images are others than the best one's.
    """

    def mean(rows: Sequence[Mapping[str, Any]]) -> float:
        by_type: dict[str, list[float]] = {}
        for row in rows:
            by_type.setdefault(row["degradation"], []).append(float(row[metric]))
        return float(np.mean([np.mean(values) for values in by_type.values()]))

    means = {
        name: mean(rows) for name, rows in methods.items() if rows and all(r.get(metric) is not None for r in rows)
    }
    if len(means) < 2:
        return {}
    sign = 1 if higher_is_better else -1
    best = max(means, key=lambda name: sign * means[name])
    tests: dict[str, tuple[PairedTest, float]] = {}
    for name in means:
        found = differences(methods[name], methods[best], metric) if name != best else None
        if found is not None:
            flat = [value for values in found.values() for value in values]
            tests[name] = (paired_bootstrap(list(found.values())), wilcoxon(flat))
    corrected = holm([test.p for test, _ in tests.values()])
    return {
        name: Comparison(test=test, p_wilcoxon=rank, p_holm=p, significant=p < level)
        for (name, (test, rank)), p in zip(tests.items(), corrected, strict=True)
    }


def mark(comparison: Comparison | None) -> str:
    """Return the mark of a cell of a table; see `LEGEND`. The best method itself and unknown ones have none."""
    return "" if comparison is None or comparison.significant else MARK
