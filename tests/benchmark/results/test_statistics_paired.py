"""Paired tests against scipy and hand-made cases, and what they say about methods of a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.results.paired_tests import against_best, differences, holm, mark, paired_bootstrap, wilcoxon
from models.errors import UserError


def noise(n: int, shift: float, seed: int = 0) -> list[float]:
    return (np.random.default_rng(seed).normal(size=n) + shift).tolist()


def rows(psnr: list[float], *, types: tuple[str, ...] = ("hazy",)) -> list[dict[str, Any]]:
    return [{"key": f"k{i}", "degradation": types[i % len(types)], "psnr": v} for i, v in enumerate(psnr)]


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.2, 0.3])
def test_p_of_the_bootstrap_is_near_that_of_students_paired_test(shift: float) -> None:
    values = noise(150, shift, seed=3)
    test = paired_bootstrap([values])
    theirs: Any = stats.ttest_1samp(values, 0.0)
    assert test.p == pytest.approx(theirs.pvalue, abs=0.02)
    assert test.difference == pytest.approx(np.mean(values))
    assert test.n == 150
    low, high = test.ci95
    half = 1.96 * float(np.std(values)) / math.sqrt(150)
    assert (low, high) == pytest.approx((test.difference - half, test.difference + half), abs=0.15 * half)


def test_a_difference_that_is_not_there_is_found_about_as_often_as_the_level_says() -> None:
    found = sum(paired_bootstrap([noise(60, 0.0, seed)], samples=1000).p < 0.1 for seed in range(200))
    assert 8 <= found <= 34


def test_interval_and_p_agree_on_whether_zero_is_inside() -> None:
    for shift in (0.0, 0.15, 0.4, -0.4):
        test = paired_bootstrap([noise(80, shift, 5)])
        assert (test.ci95[0] <= 0 <= test.ci95[1]) == (test.p >= 0.05)


def test_every_type_counts_the_same_however_many_images_it_has() -> None:
    test = paired_bootstrap([[1.0] * 5, [-1.0] * 5000])
    assert test.difference == 0.0
    assert test.p == 1.0
    assert paired_bootstrap([[1.0] * 5, [-0.5] * 5000]).difference == pytest.approx(0.25)


def test_the_same_differences_give_the_same_numbers_and_equal_methods_no_difference() -> None:
    values = noise(40, 0.2)
    assert paired_bootstrap([values]) == paired_bootstrap([values])
    same = paired_bootstrap([[0.0] * 30])
    assert (same.difference, same.ci95, same.p) == (0.0, (0.0, 0.0), 1.0)
    assert wilcoxon([0.0] * 30) == 1.0


def test_infinite_differences_decide_and_undefined_ones_do_not() -> None:
    assert paired_bootstrap([[math.inf] * 20]).p < 0.001
    torn = paired_bootstrap([[math.inf, -math.inf] * 20])
    assert torn.p == 1.0
    assert wilcoxon([math.inf] * 12 + [1.0] * 12) < 0.001


def test_signed_rank_p_is_exact_for_few_images() -> None:
    # Of the 2^5 signs of five ranks only all plus and all minus are as extreme: p = 2 / 32.
    assert wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 32)
    values = noise(300, 0.1)
    theirs: Any = stats.wilcoxon(values)
    assert wilcoxon(values) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_holm_corrects_as_in_the_textbook_and_keeps_the_order() -> None:
    # 4 x 0.01, 3 x 0.02, 2 x 0.03 and 1 x 0.04, each at least the one before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_only_methods_that_cannot_be_told_from_the_best_are_marked() -> None:
    best = noise(100, 30.0)
    methods = {
        "best": rows(best),
        "same": rows([v - 0.001 * ((-1) ** i) for i, v in enumerate(best)]),
        "worse": rows([v - 1.0 + 0.1 * math.sin(i) for i, v in enumerate(best)]),
        "other images": rows(best[:50]),
    }
    methods["other images"] = [{**row, "psnr": row["psnr"] - 5} for row in methods["other images"]]
    found = against_best(methods, "psnr", higher_is_better=True)
    assert set(found) == {"same", "worse"}
    assert (mark(found["same"]), mark(found["worse"]), mark(None)) == ("°", "", "")
    assert found["worse"].significant
    assert found["worse"].test.difference == pytest.approx(-1.0, abs=0.02)
    assert found["worse"].p_holm == pytest.approx(2 * found["worse"].test.p)
    lower = against_best(methods, "psnr", higher_is_better=False)
    assert set(lower) == set()  # the lowest mean is that of other images, with which none can be paired


def test_two_infinite_scores_are_equal_and_absent_scores_are_no_pair() -> None:
    a, b = rows([math.inf, 2.0, 5.0]), rows([math.inf, 1.0, 7.0])
    assert differences(a, b, "psnr") == {"hazy": [0.0, 1.0, -2.0]}
    assert differences(a, b, "ssim") is None
    assert against_best({"a": a}, "psnr", higher_is_better=True) == {}


@pytest.mark.parametrize(("groups", "message"), [([], "at least one"), ([[]], "at least one"), ([[math.nan]], "NaN")])
def test_senseless_differences_are_refused(groups: list[list[float]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        paired_bootstrap(groups)
