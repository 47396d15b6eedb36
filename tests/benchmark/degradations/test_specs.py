"""Specs: the text of a degradation pipeline, read, written and applied."""

from __future__ import annotations

import contextlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from benchmark.degradations import OPERATIONS
from benchmark.degradations.specs.pipeline import DEFAULT_SPECS, Spec, Step, apply, expand, parse, words
from models.errors import UserError

PARAMETERS = {
    name: [p.name for p in inspect.signature(OPERATIONS.load(name)).parameters.values() if p.kind is p.KEYWORD_ONLY]
    + ([] if card.macro else ["rounding"])
    for name, card in OPERATIONS.items()
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
        ("noise(sigm=5)", "noise has no parameter 'sigm' - did you mean 'sigma'? (known: sigma, grey, rounding)"),
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
        ('wild(rounding="keep")', "wild has no parameter 'rounding'"),
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


def test_filters_keep_float_and_the_end_rounds() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    smooth = 'kernel_blur(kind="box", size=3)'
    once = apply(f"{smooth} | {smooth}", pixels, seed=0, key="k")
    rounded = apply(f"{smooth} | quantize() | {smooth}", pixels, seed=0, key="k")
    means = np.pad(pixels.astype(float), ((2, 2), (2, 2), (0, 0)), mode="reflect")
    for _ in range(2):
        means = sliding_window_view(means, (3, 3), axis=(0, 1)).mean(axis=(-2, -1))
    inner = np.s_[2:-2, 2:-2]  # mirroring twice is not mirroring by two pixels at the border
    assert np.array_equal(once[inner], np.rint(means).astype(np.uint8)[inner])
    assert 0 < np.abs(once.astype(int) - rounded).max() <= 1


def test_a_step_of_the_ten_types_gets_an_image_in_range_after_a_filter_that_leaves_it() -> None:
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 255
    ringing = "sinc(size=19, cutoff=1.0)"
    clipped = apply(f"{ringing} | mask(keep=0.9)", edge, seed=0, key="k")
    assert clipped.dtype == np.uint8
    for operation in ("haze()", "blur()", "shadow()", "lowlight()", "snow()"):  # powers and roots of values below 0
        assert apply(f"{ringing} | {operation}", edge, seed=0, key="k").shape == edge.shape


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("blur()", ("motion-blurry",)),
        ("rain(density=0.3) | jpeg(quality=30)", ("rainy", "jpeg-compressed")),
        ("jpeg(quality=30) | rain()", ("jpeg-compressed", "rainy")),
        ("noise(sigma=10) | jpeg(quality=50) | noise(sigma=3)", ("noisy", "jpeg-compressed")),
        ("kernel_blur()", ("blur",)),
        ("sinc()", ("blur", "ringing artifact")),
        ("deconvolve()", ("blur", "ringing artifact")),
        ("resize(scale=0.5) | resize(restore=true)", ("blur",)),
        ("jpeg() | poisson() | kernel_blur() | noise() | sinc()", ("jpeg block", "noise", "blur", "ringing artifact")),
        ("noise() | quantize()", ("noise",)),
        ("rain() | kernel_blur()", ("rainy", "blur")),
        ('under_display(file="x.npy")', ()),
        ("quantize()", ()),
    ],
)
def test_words_say_what_the_steps_do_in_their_order_and_once(spec: str, said: tuple[str, ...]) -> None:
    assert words(spec) == words(parse(spec)) == said


@pytest.mark.parametrize("degradation", DEFAULT_SPECS)
def test_each_type_says_its_own_word(degradation: str) -> None:
    assert words(DEFAULT_SPECS[degradation]) == (degradation,)


def test_a_macro_has_words_only_once_it_is_expanded() -> None:
    with pytest.raises(ValueError, match=r"wild\(\) has no words before it is expanded"):
        words("rain() | wild()")


def test_a_spec_without_macros_is_its_own_expansion() -> None:
    spec = parse("rain() | jpeg(quality=30)")
    assert expand(spec, seed=0, key="k") is spec


def test_a_pipeline_that_ends_with_another_size_is_refused() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(UserError, match=r"turns 30x20 pixels into 15x10, but .* add resize\(restore=true\)"):
        apply('resize(scale=0.5, interpolation="area")', pixels, seed=0, key="k")
    assert apply("resize(scale=0.5) | rain() | resize(restore=true) | jpeg()", pixels, seed=0, key="k").shape == (
        20,
        30,
        3,
    )


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
