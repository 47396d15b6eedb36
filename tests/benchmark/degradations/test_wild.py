"""The wild pipeline: its expansion is the spec that is stored, and its draws have the official probabilities."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmark.degradations.specs.pipeline import Step, apply, expand, parse, words
from benchmark.degradations.wild import FIRST, SECOND, THIRD, wild
from benchmark.degradations.wild_steps import StepDraw
from benchmark.sources.demo import tiles
from models.errors import UserError

DRAWS = 6000
KINDS = {  # the official probabilities; psf has 0.03 and needs a file
    "iso": 0.35,
    "aniso": 0.2,
    "generalized-iso": 0.1,
    "generalized-aniso": 0.03,
    "plateau-iso": 0.1,
    "plateau-aniso": 0.03,
    "defocus": 0.1,
    "box": 0.03,
    "line": 0.03,
}
FILTERS = ("kernel_blur", "deconvolve", "sinc")


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def draws(*, blur: float = 0.8, resize: float = 0.8, noise: float = 0.4, jpeg: float = 0.4) -> list[tuple[Step, ...]]:
    generator = seeded()
    return [wild(generator, blur_prob=blur, resize_prob=resize, noise_prob=noise, jpeg_prob=jpeg) for _ in range(DRAWS)]


def likely(count: int, of: int, probability: float) -> bool:
    """Return whether a count lies within four and a half standard deviations of its binomial mean."""
    return abs(count - of * probability) <= 4.5 * math.sqrt(of * probability * (1 - probability)) + 1e-9


@pytest.fixture
def kernels(tmp_path: Path) -> str:
    np.savez(tmp_path / "kernels.npz", np.full((5, 5), 1.0), np.eye(29))
    return str(tmp_path / "kernels.npz")


@pytest.fixture
def displays(tmp_path: Path) -> str:
    np.save(tmp_path / "display.npy", np.full((5, 5, 3), 1 / 25))
    return str(tmp_path / "display.npy")


@pytest.mark.parametrize("key", [f"pair/{i}" for i in range(25)])
def test_the_expansion_is_readable_concrete_and_gives_the_same_bits(key: str) -> None:
    pixels = tiles("test", 1)[0].pixels()[:57, :64]
    spec = expand("wild()", seed=5, key=key)
    assert parse(str(spec)) == spec
    assert expand(spec, seed=5, key=key) is spec
    assert expand("wild()", seed=5, key=key) == spec
    assert "wild" not in str(spec)
    assert spec.steps[-1] == Step("quantize")
    degraded = apply("wild()", pixels, seed=5, key=key)
    assert np.array_equal(degraded, apply(spec, pixels, seed=5, key=key))
    assert np.array_equal(degraded, apply(str(spec), pixels, seed=5, key=key))


def test_seed_key_and_spec_change_the_draw() -> None:
    specs = {str(expand(f"wild(blur_prob={p})", seed=s, key=k)) for p in (0.8, 0.81) for s in (0, 1) for k in "ab"}
    assert len(specs) == 8


def test_steps_around_a_macro_stay_and_two_macros_draw_differently() -> None:
    spec = expand("rain(density=0.3) | wild() | wild() | jpeg(quality=9)", seed=0, key="k")
    assert str(spec.steps[0]) == "rain(density=0.3)"
    assert str(spec.steps[-1]) == "jpeg(quality=9)"
    ends = [i for i, step in enumerate(spec.steps) if step.name == "quantize"]
    assert len(ends) == 2
    assert spec.steps[1 : ends[0]] != spec.steps[ends[0] + 1 : ends[1]]


def test_values_are_short_and_inside_their_ranges() -> None:
    for steps in draws(noise=1.0, jpeg=1.0):
        for step in steps:
            given = dict(step.arguments)
            assert all(len(repr(v)) <= 9 or v == math.pi or v in (math.pi / 3, math.pi / 5) for v in given.values()
                       if isinstance(v, float))  # fmt: skip
            if step.name == "noise":
                assert given["sigma"] == 0 or 1 <= float(given["sigma"]) <= 5
            elif step.name == "poisson":
                assert 0.01 <= float(given["scale"]) <= 0.5
            elif step.name == "sinc":
                assert math.pi / (3 if int(given["size"]) < 13 else 5) <= float(given["cutoff"]) <= math.pi
            elif step.name == "resize" and "scale" in given:
                assert 1 / 1.4 - 1e-4 <= float(given["scale"]) <= 2
            elif step.name == "jpeg":
                assert 60 <= int(given["quality"]) <= 99


def test_each_operation_comes_as_often_as_in_the_official_code() -> None:
    drawn = draws()
    blurs = Counter(sum(step.name in FILTERS for step in steps) for steps in drawn)
    noises = Counter(_groups(steps) for steps in drawn)
    jpegs = Counter(sum(step.name == "jpeg" for step in steps) for steps in drawn)
    resized = sum(any(step.name == "resize" for step in steps) for steps in drawn)
    for found, stages in ((blurs, (0.8, 0.4, 0.8)), (noises, (0.4, 0.2)), (jpegs, (0.4, 0.4))):
        chances = np.array([1.0])
        for p in stages:
            chances = np.convolve(chances, [1 - p, p])
        for number, chance in enumerate(chances):
            assert likely(found[number], DRAWS, float(chance))
    assert likely(resized, DRAWS, 0.8)
    for steps in drawn:  # one decision for both resizings, and the size comes back
        sizes = [dict(step.arguments) for step in steps if step.name == "resize"]
        assert [("restore" in given) for given in sizes] in ([], [False, True])


def _groups(steps: tuple[Step, ...]) -> int:
    """Return the number of noise steps, Gaussian with Poisson noise behind it counted as one."""
    kept = sum(dict(step.arguments).get("rounding") == "keep" for step in steps)
    return sum(step.name in ("noise", "poisson") for step in steps) - kept


@pytest.mark.parametrize(("stage", "sinc"), [(FIRST, 0.1), (SECOND, 0.1), (THIRD, 0.8)])
def test_blur_draws_its_sizes_sinc_filters_and_kinds_as_in_the_official_code(stage, sinc: float) -> None:
    draw = StepDraw(seeded(), psf_file=None, display_file=None)
    steps = [draw.blur(*stage)[0] for _ in range(DRAWS)]
    assert likely(sum(step.name == "sinc" for step in steps), DRAWS, sinc)
    given = [dict(step.arguments) for step in steps]
    others = [g for g in given if "kind" in g]
    kinds = Counter(g["kind"] for g in others)
    for kind, probability in KINDS.items():
        assert likely(kinds[kind], len(others), probability / 0.97)
    wanted = {FIRST: range(5, 20, 2), SECOND: range(5, 10, 2), THIRD: range(5, 20, 2)}[stage]
    sizes = Counter(g["size"] for g in given if g.get("kind") != "line")
    assert set(sizes) == set(wanted)
    for size in wanted:
        assert likely(sizes[size], sizes.total(), 1 / len(wanted))
    assert max((int(g["size"]) for g in others if g["kind"] == "line"), default=0) <= 15
    small = [
        step for step, g in zip(steps, given, strict=True) if "kind" in g and int(g["size"]) < 8 and g["kind"] != "line"
    ]
    undone = [step for step in small if step.name == "deconvolve"]
    assert likely(len(undone), len(small), 0.1)
    assert all(int(dict(step.arguments)["size"]) < 8 for step in steps if step.name == "deconvolve")
    assert likely(sum("blend" in dict(step.arguments) for step in undone), len(undone), 0.1)
    sigmas = np.array([float(g["sigma_x"]) for g in others if "sigma_x" in g])
    low, high = stage[2]
    assert low <= sigmas.min()
    assert sigmas.max() <= high
    assert abs(sigmas.mean() - (low + high) / 2) < 4.5 * (high - low) / math.sqrt(12 * len(sigmas))


def test_jitter_and_shapes_follow_the_kind() -> None:
    draw = StepDraw(seeded(), psf_file=None, display_file=None)
    given = [dict(draw.blur(9, 0.0, (0.2, 2.2))[0].arguments) for _ in range(DRAWS)]
    for g in given:
        noisy = g["kind"] in ("iso", "aniso", "generalized-iso", "generalized-aniso")
        assert g.get("jitter") == (0.1 if noisy else None)
        assert ("beta" in g) == str(g["kind"]).startswith(("generalized", "plateau"))
        assert ("angle" in g) == (str(g["kind"]).endswith("aniso") or g["kind"] == "line")
    plateaus = [g["beta"] for g in given if str(g["kind"]).startswith("plateau")]
    assert likely(sum(beta == 1 for beta in plateaus), len(plateaus), 0.5)
    assert all(1 <= float(beta) <= 1.5 for beta in plateaus)
    generalised = [float(g["beta"]) for g in given if str(g["kind"]).startswith("generalized")]
    assert likely(sum(beta < 1 for beta in generalised), len(generalised), 0.5)
    assert 0.5 <= min(generalised) < 0.55
    assert 1.9 < max(generalised) <= 2


def test_noise_is_gaussian_in_six_of_ten_and_independently_poisson_in_four_of_ten() -> None:
    draw = StepDraw(seeded(), psf_file=None, display_file=None)
    found = [draw.noise() for _ in range(DRAWS)]
    names = Counter(tuple(step.name for step in steps) for steps in found)
    silent = [steps for steps in found if dict(steps[0].arguments).get("sigma") == 0]
    assert likely(names["noise", "poisson"], DRAWS, 0.24)
    assert likely(names[("poisson",)], DRAWS, 0.16)
    assert likely(len(silent), DRAWS, 0.24)
    assert likely(names[("noise",)] - len(silent), DRAWS, 0.36)
    for name, count in (("noise", names["noise", "poisson"] + names[("noise",)] - len(silent)), ("poisson", None)):
        steps = [step for steps in found for step in steps if step.name == name]
        total = len(steps) if count is None else count
        assert likely(sum("grey" in dict(step.arguments) for step in steps), total, 0.4)


def test_the_order_within_a_stage_is_uniform() -> None:
    drawn = draws(blur=1.0, resize=1.0, noise=1.0, jpeg=1.0)
    first = Counter(steps[0].name if steps[0].name not in FILTERS else "blur" for steps in drawn)
    first["noise"] += first.pop("poisson")
    for name in ("blur", "resize", "noise", "jpeg"):
        assert likely(first[name], DRAWS, 0.25)
    qualities = [int(dict(steps[0].arguments)["quality"]) for steps in drawn if steps[0].name == "jpeg"]
    assert set(qualities) == set(range(60, 95))


def test_measured_kernels_take_part_only_when_a_file_is_given(kernels: str, displays: str) -> None:
    draw = StepDraw(seeded(), psf_file=kernels, display_file=displays)
    given = [dict(draw.blur(*FIRST)[0].arguments) for _ in range(DRAWS)]
    others = [g for g in given if "kind" in g]
    for kind, probability in {**KINDS, "psf": 0.03}.items():
        assert likely(sum(g["kind"] == kind for g in others), len(others), probability)
    assert all("size" not in g and g["file"] == kernels and g["index"] in (0, 1) for g in others if g["kind"] == "psf")
    cameras = sum(len(draw.display()) for _ in range(DRAWS))
    assert likely(cameras, DRAWS, 0.2)
    spec = f'wild(psf_file="{kernels}", display_file="{displays}", blur_prob=0.3)'
    pixels = tiles("test", 1)[0].pixels()[:32, :32]
    names = set()
    for i in range(40):
        drawn = expand(spec, seed=0, key=str(i))
        names |= {step.name for step in drawn.steps}
        assert np.array_equal(apply(spec, pixels, seed=0, key=str(i)), apply(drawn, pixels, seed=0, key=str(i)))
    assert "under_display" in names
    assert not any(step.name == "under_display" for steps in draws(blur=0.0) for step in steps)


def test_probabilities_of_zero_leave_the_image_as_it_is_and_of_one_take_every_step() -> None:
    spec = "wild(blur_prob=0, resize_prob=0, noise_prob=0, jpeg_prob=0)"
    pixels = tiles("test", 1)[0].pixels()
    assert str(expand(spec, seed=0, key="k")) == "quantize()"
    assert words(expand(spec, seed=0, key="k")) == ()
    assert np.array_equal(apply(spec, pixels, seed=0, key="k"), pixels)


def test_words_of_the_expansion_are_the_follow_ups() -> None:
    known = {"blur", "ringing artifact", "noise", "jpeg block"}
    found = [words(expand("wild()", seed=0, key=str(i))) for i in range(400)]
    assert set().union(*found) == known
    assert all(len(set(said)) == len(said) for said in found)
    assert words(expand("wild(blur_prob=0, resize_prob=0, noise_prob=0, jpeg_prob=1)", seed=0, key="k")) == (
        "jpeg block",
    )
    assert words(expand("wild(blur_prob=0, resize_prob=0, noise_prob=1, jpeg_prob=0)", seed=0, key="k")) == ("noise",)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("wild(blur_prob=1.5)", "in wild(blur_prob=1.5): blur_prob must be a number from 0 to 1, not 1.5"),
        ("wild(jpeg_prob=true)", "in wild(jpeg_prob=true): jpeg_prob must be a number from 0 to 1, not True"),
        ('wild(psf_file="no.npz")', "in wild(psf_file=\"no.npz\"): there is no file of kernels at 'no.npz'"),
        ('wild(display_file="no.npy")', "in wild(display_file=\"no.npy\"): there is no file of kernels at 'no.npy'"),
    ],
)
def test_a_wrong_parameter_is_told_at_once(spec: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        expand(spec, seed=0, key="k")
    assert str(caught.value).startswith(what)
