"""Severity levels: five for each degradation, each worse than the one before."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmark.degradations.specs.pipeline import apply, parse, words
from benchmark.degradations.specs.severity import LEVELS, SEVERITY, severity_spec
from benchmark.sources.demo import tiles
from models.errors import UserError
from models.vocabulary import DEGRADATIONS, check_word


def test_there_are_levels_for_the_ten_types_and_for_kinds_of_blur() -> None:
    assert tuple(SEVERITY)[:10] == DEGRADATIONS
    assert tuple(SEVERITY)[10:] == ("gaussian-blurry", "defocus-blurry", "low-resolution")
    assert all(check_word(word) == word and len(specs) == 5 for word, specs in SEVERITY.items())


@pytest.mark.parametrize("degradation", SEVERITY)
def test_specs_are_canonical_and_say_their_type(degradation: str) -> None:
    for level in LEVELS:
        spec = severity_spec(degradation, level)
        assert str(parse(spec)) == spec
        assert words(spec) == ((degradation,) if degradation in DEGRADATIONS else ("blur",))


@pytest.mark.parametrize("degradation", SEVERITY)
@pytest.mark.parametrize("seed", [0, 1])
def test_psnr_falls_from_level_to_level(degradation: str, seed: int) -> None:
    means = []
    for level in LEVELS:
        scores = []
        for tile in tiles("test", 12):
            clean = tile.pixels()
            degraded = apply(severity_spec(degradation, level), clean, seed=seed, key=tile.name)
            scores.append(10 * np.log10(255**2 / np.square(degraded.astype(float) - clean).mean()))
        means.append(float(np.mean(scores)))
    assert all(weaker > stronger + 0.5 for weaker, stronger in itertools.pairwise(means)), means
    assert means[0] > 18
    assert means[-1] < 26


@pytest.mark.parametrize(
    ("degradation", "level", "what"),
    [
        ("rainny", 1, "there are no severity levels for 'rainny' - did you mean 'rainy'?"),
        ("rainy", 0, "the severity level must be a whole number from 1 to 5, not 0"),
        ("rainy", 6, "the severity level must be a whole number from 1 to 5, not 6"),
        ("rainy", True, "the severity level must be a whole number from 1 to 5, not True"),
    ],
)
def test_an_unknown_degradation_or_level_is_told(degradation: str, level: int, what: str) -> None:
    with pytest.raises(UserError) as caught:
        severity_spec(degradation, level)
    assert what in str(caught.value)
