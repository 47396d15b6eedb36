"""Gaussian and Poisson noise: variance, whiteness, greyness, and how the paper's noisy set is stored."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.degradations import OPERATIONS
from benchmark.degradations.specs.pipeline import apply, generator_for, parse, truncate
from benchmark.sources.demo import tiles
from models.errors import UserError
from models.images.pixels import to_float, to_uint8


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def photo(height: int, width: int) -> np.ndarray:
    return cv2.resize(tiles("test", 1)[0].pixels(), (width, height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_noise_has_the_stated_deviation_and_is_white(sigma: int) -> None:
    grey = np.full((256, 256, 3), 0.5, np.float32)
    grain = (OPERATIONS.load("noise")(grey, seeded(), sigma=sigma) - grey) * 255
    # The median of the absolute value does not see the clipping of one value in a hundred at sigma 50.
    assert abs(np.median(np.abs(grain)) / 0.67449 / sigma - 1) < 0.01
    assert abs(np.corrcoef(grain[:-1].ravel(), grain[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(grain[..., 0].ravel(), grain[..., 1].ravel())[0, 1]) < 0.01


def test_noise_is_stored_by_truncation() -> None:
    pixels = photo(64, 64)
    expected = np.clip(
        to_float(pixels) + noise_of("noise(sigma=50)", pixels.shape) * np.float32(50 / 255), 0, 1
    ) * np.float32(255)
    assert np.array_equal(apply("noise(sigma=50)", pixels, seed=0, key="k"), np.floor(expected).astype(np.uint8))
    grey = np.full((256, 256, 3), 128, np.uint8)
    assert -0.6 < apply("noise(sigma=10)", grey, seed=0, key="k").mean() - 128 < -0.4


def noise_of(spec: str, shape: tuple[int, ...]) -> np.ndarray:
    return generator_for(parse(spec), seed=0, key="k").standard_normal(shape, dtype=np.float32)


def test_truncation_returns_8_bit_values_unchanged() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(truncate(to_float(levels)), levels)
    assert np.array_equal(apply("noise(sigma=0)", levels, seed=0, key="k"), levels)


@pytest.mark.parametrize("shape", [(8, 8), (301, 97)])
def test_noise_is_the_image_plus_scaled_draws_to_the_bit(shape: tuple[int, int]) -> None:
    image = seeded(1).random((*shape, 3), dtype=np.float32)
    grain = seeded().standard_normal(image.shape, dtype=np.float32)
    expected = np.clip(image + grain * np.float32(37 / 255), 0, 1)
    assert np.array_equal(OPERATIONS.load("noise")(image, seeded(), sigma=37), expected)
    one = seeded().standard_normal((*shape, 1), dtype=np.float32)
    expected = np.clip(image + one * np.float32(37 / 255), 0, 1)
    assert np.array_equal(OPERATIONS.load("noise")(image, seeded(), sigma=37, grey=True), expected)


def test_grey_noise_is_the_same_in_the_three_channels() -> None:
    grey = np.full((256, 256, 3), 0.5, np.float32)
    grain = (OPERATIONS.load("noise")(grey, seeded(), sigma=20, grey=True) - grey) * 255
    assert np.array_equal(grain[..., 0], grain[..., 1])
    assert np.array_equal(grain[..., 0], grain[..., 2])
    assert abs(grain.std() / 20 - 1) < 0.01


def test_poisson_noise_has_the_variance_of_counted_photons() -> None:
    # All 256 levels occur, so white counts 256 photons and the variance is scale^2 x / 256.
    levels = np.arange(256, dtype=np.uint8).repeat(4096).reshape(256, 4096)
    image = to_float(np.repeat(levels[..., None], 3, axis=2))
    grain = OPERATIONS.load("poisson")(image, seeded(), scale=0.4) - image
    x = image[:, 0, 0]
    middle = slice(20, 230)  # elsewhere the noise is clipped
    expected = 0.4**2 * x / 256
    assert np.abs(grain.var(axis=(1, 2))[middle] / expected[middle] - 1).max() < 0.06
    assert np.abs(grain.mean(axis=(1, 2))[middle]).max() < 0.001
    assert abs(np.corrcoef(grain[100, :, 0], grain[100, :, 1])[0, 1]) < 0.06


@pytest.mark.parametrize(("different", "photons"), [(1, 1), (2, 2), (3, 4), (17, 32), (256, 256)])
def test_white_counts_as_many_photons_as_there_are_levels_rounded_up(different: int, photons: int) -> None:
    levels = np.linspace(0, 255, different).round().astype(np.uint8) if different > 1 else np.array([51], np.uint8)
    image = to_float(np.resize(levels, (64, 64, 3)))
    grain = OPERATIONS.load("poisson")(image * 0.999, seeded(), scale=0.1) - image * 0.999
    inside = (image > 0.05) & (image < 0.95)
    if inside.any():
        counted = (grain[inside] / 0.1 + image[inside]) * photons
        assert np.abs(counted - counted.round()).max() < 0.01 * photons


def test_grey_poisson_noise_is_that_of_the_grey_image() -> None:
    image = to_float(photo(96, 96)) * 0.5 + 0.2
    grain = OPERATIONS.load("poisson")(image, seeded(), scale=0.3, grey=True) - image
    assert np.abs(grain[..., 0] - grain[..., 2]).max() < 1e-6
    light = to_uint8(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    photons = 2 ** np.ceil(np.log2(len(np.unique(light))))
    counted = (grain[..., 0] / 0.3 + light / 255) * photons
    assert np.abs(counted - counted.round()).max() < 0.01


def test_noise_that_keeps_float_is_rounded_once_at_the_end() -> None:
    pixels = photo(64, 64)
    spec = 'noise(sigma=3, rounding="keep") | quantize()'
    grain = noise_of(spec, pixels.shape)
    expected = to_uint8(np.clip(to_float(pixels) + grain * np.float32(3 / 255), 0, 1))
    assert np.array_equal(apply(spec, pixels, seed=0, key="k"), expected)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("noise(grey=1)", "grey must be true or false, not 1"),
        ("poisson(scale=-1)", "scale must be a number from 0 to 10, not -1"),
        ('noise(rounding="cut")', "rounding must be one of truncate, round, keep, not 'cut'"),
        ('noise(rounding="rond")', "rounding must be one of truncate, round, keep, not 'rond' - did you mean 'round'?"),
        ("jpeg(rounding=1)", "rounding must be one of truncate, round, keep, not 1"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_came_and_what_is_allowed(spec: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        apply(spec, photo(16, 16), seed=0, key="x")
    assert str(caught.value) == f"in {spec}: {what}"
