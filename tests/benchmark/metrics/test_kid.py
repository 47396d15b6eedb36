"""KID: the estimate against the textbook's double sums, its interval against repeated draws, and groups of images."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.evaluation.scoring.sets import FeatureSets, set_scores
from benchmark.metrics import kid
from benchmark.metrics.kid import Kid, kernel_distance, paired_interval
from models.errors import UserError


def features(rows: int, columns: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, (rows, columns))


def by_loops(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased estimate written out pair by pair."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (float(x @ y) / len(x) + 1.0) ** 3

    n, m = len(a), len(b)
    aa = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    bb = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return aa + bb - 2 * sum(kernel(x, y) for x in a for y in b) / (n * m)


@pytest.mark.parametrize(("n", "m", "columns"), [(2, 2, 3), (9, 14, 5), (20, 20, 64)])
def test_distance_equals_the_double_sums(n: int, m: int, columns: int) -> None:
    a, b = features(n, columns, 1), features(m, columns, 2, 0.3)
    assert kernel_distance(a, b) == pytest.approx(by_loops(a, b), rel=1e-10)


def test_distance_does_not_depend_on_the_blocks_it_is_summed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = features(50, 16, 1), features(60, 16, 2, 0.2)
    whole = kernel_distance(a, b)
    monkeypatch.setattr(kid, "BLOCK", 7)
    assert kernel_distance(a, b) == pytest.approx(whole, rel=1e-12)


def test_estimate_has_no_bias_where_both_sets_are_alike_and_sees_a_shift() -> None:
    alike = [kernel_distance(features(12, 8, seed), features(12, 8, 1000 + seed)) for seed in range(400)]
    apart = [kernel_distance(features(12, 8, seed), features(12, 8, 1000 + seed, 0.5)) for seed in range(400)]
    error = np.std(alike) / np.sqrt(len(alike))
    assert abs(np.mean(alike)) < 3 * error
    assert np.min(alike) < 0 < np.max(alike)
    assert np.mean(apart) > 10 * error


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    # the truth, from sets so large that their own error is small
    big = kernel_distance(features(4000, 8, 1), features(4000, 8, 2, 0.5))
    inside = 0
    for seed in range(60):
        clean = features(40, 8, 10 + seed)
        restored = features(40, 8, 5000 + seed, 0.5)
        low, high = paired_interval(restored, clean, generator=np.random.default_rng(0), draws=100)
        assert low < high
        inside += low <= big <= high
    assert inside >= 48


def test_interval_of_large_sets_is_that_of_their_scaled_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = features(400, 8, 1, 0.5), features(400, 8, 2)
    whole = paired_interval(a, b, generator=np.random.default_rng(0))
    monkeypatch.setattr(kid, "LARGEST_SUBSET", 50)
    subsets = paired_interval(a, b, generator=np.random.default_rng(0))
    assert 0.6 < (subsets[1] - subsets[0]) / (whole[1] - whole[0]) < 1.6
    assert subsets[0] < kernel_distance(a, b) < subsets[1]


def test_order_of_images_does_not_touch_a_bit() -> None:
    a, b = features(9, 16, 1).astype(np.float32), features(9, 16, 2).astype(np.float32)
    forwards, backwards = Kid(), Kid()
    for index in range(9):
        forwards.update(str(index), a[index], b[index])
        backwards.update(str(8 - index), a[8 - index], b[8 - index])
    assert forwards.compute() == backwards.compute()
    assert forwards.interval() == backwards.interval()
    assert len(forwards) == 9


def test_too_few_images_are_refused_or_have_no_interval() -> None:
    few = Kid()
    few.update("a", np.zeros(4), np.zeros(4))
    with pytest.raises(UserError, match="at least two images"):
        few.compute()
    assert few.interval() is None
    few.update("b", np.ones(4), np.zeros(4))
    assert np.isfinite(few.compute())
    assert few.interval() is None
    with pytest.raises(UserError, match="at least 4 pairs"):
        paired_interval(np.zeros((3, 4)), np.zeros((3, 4)), generator=np.random.default_rng(0))
    with pytest.raises(UserError, match="same columns"):
        kernel_distance(np.zeros((3, 4)), np.zeros((3, 5)))


def test_a_group_states_its_size_and_the_pool_holds_the_images_of_all_groups() -> None:
    sets = FeatureSets()
    a, b = features(12, 16, 1, 0.4), features(12, 16, 2)
    for index in range(12):
        sets.add("rainy" if index < 7 else "snowy", f"{index % 7}", a[index], b[index])
    rainy, pooled = sets.scores("rainy", ("fid", "kid")), sets.pooled(("fid", "kid"))
    assert (rainy["fid"].n, rainy["kid"].n, pooled["fid"].n, pooled["kid"].n) == (7, 7, 12, 12)
    assert pooled["kid"].value == pytest.approx(by_loops(a, b), rel=1e-10)
    assert rainy["kid"].value == pytest.approx(by_loops(a[:7], b[:7]), rel=1e-10)
    assert pooled["fid"].warning.startswith("FID of 12 images")
    low, high = pooled["kid"].ci95 or (1.0, 0.0)
    assert low < pooled["kid"].value < high
    with pytest.raises(UserError, match="rainy/3: scored twice"):
        sets.add("rainy", "3", a[0], b[0])
    with pytest.raises(UserError, match="nothing was scored in the group 'hazy'"):
        sets.scores("hazy", ("fid",))


def test_images_without_features_are_named() -> None:
    rows = {"one": (np.zeros(4), np.zeros(4)), "two": (None, None)}
    with pytest.raises(UserError, match="features of 'two' are missing"):
        set_scores(rows, ("fid",))
    assert set_scores(rows, ()) == {}
