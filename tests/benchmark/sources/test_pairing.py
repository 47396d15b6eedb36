"""Pairing by name: what matches, what is left over, and that nothing is ever mispaired."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.sources.pairing import RULES, SAME, VERSIONS, Rule, match, pair_by_name, without_role
from models.errors import UserError


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


@pytest.mark.parametrize(
    ("degraded", "clean"),
    [
        (["2.png", "1.png", "10.png"], ["10.jpg", "1.jpg", "2.jpg"]),
        (["rain-001.png", "rain-002.png"], ["norain-002.png", "norain-001.png"]),
        (["0_rain.png", "1_rain.png"], ["1_clean.png", "0_clean.png"]),
        (["0048_0.9_0.2.jpg", "0048_1_0.1.jpg", "0049_1_1.jpg"], ["0049.jpg", "0048.jpg"]),
        (["IMG_1.jpg"], ["IMG_1_no_shadow.jpg"]),
        (["IMG_1.jpg", "IMG_2.jpg"], ["IMG_2_free.jpg", "IMG_1_free.jpg"]),
    ],
)
def test_partners_are_found_by_name_in_any_order(degraded: list[str], clean: list[str]) -> None:
    def number(path: Path) -> str:
        return without_role(path.stem).removeprefix("img_").split("_")[0].lstrip("0") or "0"

    pairs = pair_by_name(paths(*degraded), paths(*clean))
    assert [d for d, _ in pairs] == paths(*degraded)
    assert all(number(d) == number(c) for d, c in pairs)


def test_a_missing_partner_is_named() -> None:
    with pytest.raises(UserError, match=r"1 degraded without exactly one clean image \(e.g. 3.png\)"):
        pair_by_name(paths("1.png", "3.png"), paths("1.png"))
    with pytest.raises(UserError, match=r"1 clean without a degraded image \(e.g. 7.png\)"):
        pair_by_name(paths("1.png"), paths("1.png", "7.png"))


def test_a_version_is_not_given_the_clean_image_of_another() -> None:
    """`a_2` lost its own clean image `a_2`; that of `a_1` must not stand in for it."""
    found = match(["a_1", "a_2", "b_1"], ["a_1", "b_2"])
    assert found.pairs == [(0, 0)]
    assert found.degraded == {1: "no clean image of this name", 2: "no clean image of this name"}
    assert found.clean == {1: "no degraded image of this name"}


def test_two_images_of_one_name_are_left_over_with_the_reason() -> None:
    found = match(["1", "1", "2"], ["1", "2", "2"])
    assert found.pairs == []
    assert found.degraded[0] == found.degraded[1] == found.clean[0] == "2 degraded images go by this name"
    assert found.degraded[2] == found.clean[1] == found.clean[2] == "2 clean images go by this name"


def test_folders_before_the_name_must_agree() -> None:
    found = match(["x/1", "y/1"], ["y/1", "x/1", "z/1"])
    assert found.pairs == [(0, 1), (1, 0)]
    assert list(found.clean) == [2]


SCENES = st.lists(st.text("abc_019-.", min_size=1, max_size=6), unique=True, min_size=1, max_size=12)
NUMBERS = st.lists(st.integers(0, 9999).map(str), unique=True, min_size=1, max_size=12)


@given(scenes=SCENES, data=st.data())
def test_equal_names_are_never_mispaired_whatever_is_missing(scenes: list[str], data: st.DataObject) -> None:
    degraded = data.draw(st.permutations(scenes))[: data.draw(st.integers(0, len(scenes)))]
    clean = data.draw(st.permutations(scenes))[: data.draw(st.integers(0, len(scenes)))]
    check(degraded, clean, {s: s for s in scenes}, {s: s for s in scenes}, (SAME,))


@given(scenes=NUMBERS, data=st.data())
@pytest.mark.parametrize(
    ("degraded_name", "clean_name"),
    [
        ("{}", "{}"),
        ("rain-{}", "norain-{}"),
        ("{}_rain", "{}_clean"),
        ("IMG_{}", "IMG_{}_no_shadow"),
        ("low{}", "low{}"),
    ],
)
def test_the_rules_together_never_mispair_and_find_all_that_is_there(
    degraded_name: str, clean_name: str, scenes: list[str], data: st.DataObject
) -> None:
    left = {degraded_name.format(scene): scene for scene in scenes}
    right = {clean_name.format(scene): scene for scene in scenes}
    degraded = data.draw(st.permutations(list(left)))[: data.draw(st.integers(0, len(left)))]
    clean = data.draw(st.permutations(list(right)))[: data.draw(st.integers(0, len(right)))]
    check(degraded, clean, left, right, RULES)


@given(scenes=NUMBERS, versions=st.integers(1, 3), data=st.data())
def test_several_versions_of_a_scene_share_its_clean_image(
    scenes: list[str], versions: int, data: st.DataObject
) -> None:
    left = {f"{scene}_{0.8 + v / 10:.1f}_0.2": scene for scene in scenes for v in range(versions)}
    degraded = data.draw(st.permutations(list(left)))[: data.draw(st.integers(0, len(left)))]
    clean = data.draw(st.permutations(scenes))[: data.draw(st.integers(0, len(scenes)))]
    check(degraded, clean, left, {s: s for s in scenes}, (SAME, VERSIONS))


def check(
    degraded: list[str], clean: list[str], left: dict[str, str], right: dict[str, str], rules: tuple[Rule, ...]
) -> None:
    """Assert that exactly the images whose scene is on both sides are paired with it, and that all are told."""
    found = match(degraded, clean, rules=rules)
    assert all(left[degraded[d]] == right[clean[c]] for d, c in found.pairs)
    there = {right[name] for name in clean}
    assert {degraded[d] for d, _ in found.pairs} == {name for name in degraded if left[name] in there}
    told = {d for d, _ in found.pairs} | found.degraded.keys()
    assert told == set(range(len(degraded)))
    assert {c for _, c in found.pairs} | found.clean.keys() == set(range(len(clean)))
