"""Specs: the text of a degradation pipeline, read, written and applied."""

from __future__ import annotations

import contextlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.degradations import OPERATIONS
from benchmark.degradations.specs import DEFAULT_SPECS, Spec, Step, apply, parse
from models.errors import UserError

PARAMETERS = {
    name: [p.name for p in inspect.signature(OPERATIONS.load(name)).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name in OPERATIONS
}
VALUES = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text())


@st.composite
def steps(draw: st.DrawFn) -> Step:
    name = draw(st.sampled_from(list(OPERATIONS)))
    keys = draw(st.lists(st.sampled_from(PARAMETERS[name]), unique=True))
    return Step(name, tuple((key, draw(VALUES)) for key in keys))


@settings(max_examples=300, deadline=None)
@given(st.lists(steps(), min_size=1, max_size=4))
def test_a_spec_survives_being_written_and_read(given_steps: list[Step]) -> None:
    spec = Spec(tuple(given_steps))
    again = parse(str(spec))
    assert again == spec
    # True == 1 == 1.0 in Python, so the types are compared as well.
    for first, second in zip(spec.steps, again.steps, strict=True):
        assert [type(v) for _, v in first.arguments] == [type(v) for _, v in second.arguments]
    assert str(again) == str(spec)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_other_text_is_a_user_error_and_never_a_crash(text: str) -> None:
    with contextlib.suppress(UserError):
        assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize("degradation", DEFAULT_SPECS)
def test_default_specs_are_canonical(degradation: str) -> None:
    assert str(parse(DEFAULT_SPECS[degradation])) == DEFAULT_SPECS[degradation]


def test_spaces_and_quotes_do_not_matter() -> None:
    text = "  rain( density = 0.30,angle=-5 )|jpeg(quality=30)"
    assert str(parse(text)) == "rain(density=0.3, angle=-5) | jpeg(quality=30)"
    pixels = np.full((16, 16, 3), 90, np.uint8)
    assert np.array_equal(apply(text, pixels, seed=1, key="k"), apply(str(parse(text)), pixels, seed=1, key="k"))
    assert parse("rain(density='x')") == parse('rain(density="x")')


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nois(sigma=5)", "did you mean 'noise'?"),
        ("noise(sigm=5)", "noise has no parameter 'sigm' - did you mean 'sigma'? (known: sigma)"),
        ("noise(sigma=5, sigma=6)", "given 'sigma' twice"),
        ("noise", "expected '(' after the operation's name, found the end"),
        ("noise(sigma=5", "expected ',' or ')', found the end"),
        ("noise(sigma 5)", "expected '=' after the parameter's name, found '5)'"),
        ("noise(sigma=)", "expected a number, true, false or a quoted string"),
        ("noise(sigma=nan)", "expected a number, true, false or a quoted string"),
        ("noise(sigma=1e999)", "expected a number, true, false or a quoted string"),
        ("noise(sigma=5) jpeg()", "expected '|' or the end"),
        ("noise(sigma=5) |", "expected the name of an operation, found the end"),
        ("", "expected the name of an operation, found the end"),
    ],
)
def test_a_malformed_spec_says_where_and_what_was_expected(text: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert what in str(caught.value)


def test_a_pipeline_stores_8_bit_after_each_step() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    once = apply("jpeg(quality=30)", pixels, seed=0, key="k")
    twice = apply("jpeg(quality=10)", once, seed=0, key="k")
    assert np.array_equal(apply("jpeg(quality=30) | jpeg(quality=10)", pixels, seed=0, key="k"), twice)


def test_tiny_images_and_wrong_arrays_are_refused() -> None:
    with pytest.raises(UserError, match="7x20, degradations need at least 8x8"):
        apply("noise()", np.zeros((20, 7, 3), np.uint8), seed=0, key="k")
    with pytest.raises(ValueError, match="uint8"):
        apply("noise()", np.zeros((20, 20, 3), np.float32), seed=0, key="k")


def test_known_bits_have_not_moved() -> None:
    """A change here changes every synthetic dataset: bump the version and write a line under Numbers."""
    grey = np.full((8, 8, 3), 128, np.uint8)
    noisy = apply("noise(sigma=50)", grey, seed=0, key="golden")
    assert noisy[0, :3].tolist() == GOLDEN


GOLDEN = [[0, 57, 39], [181, 45, 120], [112, 166, 28]]
