"""Bootstrap intervals: against scipy and the normal law, and where they could go wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from benchmark.results import intervals as statistics
from benchmark.results.intervals import bootstrap_interval, grouped_bootstrap_interval
from models.errors import UserError


def scores(n: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).gamma(4.0, 2.0, n).tolist()


def test_interval_agrees_with_scipy_and_with_the_normal_law() -> None:
    values = scores(400)
    low, high = bootstrap_interval(values, samples=20_000)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    error = float(np.std(values)) / math.sqrt(len(values))
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.05 * error)
    assert (low, high) == pytest.approx(
        (np.mean(values) - 1.96 * error, np.mean(values) + 1.96 * error), abs=0.1 * error
    )


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(scores(60, seed), samples=500, level=0.9)
        covered += low <= 8.0 <= high
    assert 0.83 <= covered / 200 <= 0.95


def test_same_input_and_seed_give_the_same_interval() -> None:
    values = scores(37)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values) == grouped_bootstrap_interval([values])


def test_memory_blocks_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values = scores(50)
    whole = bootstrap_interval(values)
    monkeypatch.setattr(statistics, "BLOCK", 777)
    assert bootstrap_interval(values) == whole


def test_wider_level_and_fewer_images_widen_the_interval() -> None:
    def width(values: list[float], level: float = 0.95) -> float:
        low, high = bootstrap_interval(values, level=level)
        return high - low

    values = scores(200)
    assert width(values, 0.5) < width(values, 0.9) < width(values, 0.99)
    assert width(values) < width(values[:20])


def test_one_image_gives_a_point_and_equal_scores_too() -> None:
    assert bootstrap_interval([27.5]) == (27.5, 27.5)
    assert bootstrap_interval([0.25] * 30) == (0.25, 0.25)


def test_grouped_interval_is_that_of_the_unweighted_mean() -> None:
    small, large = scores(20, 1), [value + 100 for value in scores(2000, 2)]
    low, high = grouped_bootstrap_interval([small, large], samples=10_000)
    centre = (np.mean(small) + np.mean(large)) / 2
    error = math.sqrt(np.var(small) / 20 + np.var(large) / 2000) / 2
    assert low < centre < high
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_groups_of_equal_scores_are_drawn_independently() -> None:
    values = scores(100)
    single, double = bootstrap_interval(values), grouped_bootstrap_interval([values, values])
    assert double[1] - double[0] == pytest.approx((single[1] - single[0]) / math.sqrt(2), rel=0.1)


def test_an_infinite_psnr_gives_infinite_ends_and_no_nan() -> None:
    low, high = bootstrap_interval([math.inf, 20.0, 21.0])
    assert low == pytest.approx(20.0, abs=1.0)
    assert high == math.inf
    assert bootstrap_interval([math.inf] * 3) == (math.inf, math.inf)


@pytest.mark.parametrize(
    ("groups", "level", "samples", "message"),
    [
        ([], 0.95, 10, "at least one score"),
        ([[1.0], []], 0.95, 10, "at least one score"),
        ([[1.0, math.nan]], 0.95, 10, "NaN"),
        ([[1.0]], 95.0, 10, "between 0 and 1"),
        ([[1.0]], 0.95, 0, "at least one bootstrap sample"),
    ],
)
def test_senseless_input_is_refused(groups: list[list[float]], level: float, samples: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        grouped_bootstrap_interval(groups, level=level, samples=samples)
