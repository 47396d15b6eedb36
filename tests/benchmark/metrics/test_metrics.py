"""PSNR, SSIM and what is done to images before them, against independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from metric_images import pair
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.metrics import METRICS
from benchmark.metrics.border import crop_border, crop_to_multiple
from benchmark.metrics.luma import luma
from benchmark.metrics.psnr import psnr
from benchmark.metrics.ssim import ssim
from models.errors import UserError
from models.images.pixels import to_float


@pytest.mark.parametrize("name", METRICS)
def test_every_card_points_to_something_callable_and_documented(name: str) -> None:
    card = METRICS[name]
    assert callable(METRICS.load(name))
    assert METRICS.load(name).__doc__
    assert card.kind in ("image", "set")
    assert card.label


def test_printed_decimals_are_those_of_the_paper() -> None:
    printed = ("psnr", "ssim", "lpips", "fid", "kid")
    assert {name: METRICS[name].decimals for name in printed} == {
        "psnr": 2,
        "ssim": 3,
        "lpips": 3,
        "fid": 2,
        "kid": 5,
    }
    assert {name: METRICS[name].higher_is_better for name in printed} == {
        "psnr": True,
        "ssim": True,
        "lpips": False,
        "fid": False,
        "kid": False,
    }


@pytest.mark.parametrize("seed", range(3))
def test_psnr_equals_scikit_image(seed: int) -> None:
    restored, clean = pair(seed=seed)
    assert psnr(restored, clean) == pytest.approx(peak_signal_noise_ratio(clean, restored, data_range=255), abs=1e-9)


def test_psnr_of_a_constant_error_is_the_textbook_value() -> None:
    clean = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(clean + np.uint8(10), clean) == pytest.approx(20 * math.log10(255 / 10), abs=1e-12)
    assert psnr(to_float(clean) + 0.1, to_float(clean), data_range=1.0) == pytest.approx(20.0, abs=1e-5)


def test_psnr_does_not_wrap_around_in_eight_bits() -> None:
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0.0


@pytest.mark.parametrize("size", [(11, 11), (12, 40), (61, 83), (150, 24), (74, 13), (75, 13)])
def test_gaussian_ssim_equals_scikit_image(size: tuple[int, int]) -> None:
    restored, clean = pair(size=size)
    expected = structural_similarity(
        clean,
        restored,
        channel_axis=2,
        data_range=255,
        win_size=11,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(restored, clean) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [(7, 7), (12, 40), (61, 83), (150, 24)])
def test_uniform_ssim_equals_scikit_image_default(size: tuple[int, int]) -> None:
    restored, clean = pair(size=size)
    expected = structural_similarity(clean, restored, channel_axis=2, data_range=255)
    assert ssim(restored, clean, window="uniform") == pytest.approx(expected, abs=1e-9)


def test_ssim_of_colour_is_the_mean_over_channels() -> None:
    restored, clean = pair()
    channels = [ssim(restored[..., c], clean[..., c]) for c in range(3)]
    assert ssim(restored, clean) == pytest.approx(np.mean(channels), abs=1e-12)


def test_ssim_of_two_constant_images_follows_the_formula() -> None:
    a, b, c1 = 100.0, 140.0, (0.01 * 255) ** 2
    value = ssim(np.full((20, 20), a), np.full((20, 20), b))
    assert value == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-10)


def test_luma_equals_scikit_image_and_spans_studio_range() -> None:
    _, clean = pair()
    assert np.abs(luma(clean) - rgb2ycbcr(clean)[..., 0]).max() < 1e-9
    assert np.abs(luma(clean) - luma(to_float(clean))).max() < 1e-4
    ends = luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))
    assert ends.ravel() == pytest.approx([16.0, 235.0], abs=1e-9)


def test_luma_reads_red_first() -> None:
    red = luma(np.array([[[255, 0, 0]]], np.uint8))
    assert red.item() == pytest.approx(16 + 65.481, abs=1e-9)


def test_crop_border_cuts_all_four_sides() -> None:
    image = np.arange(10 * 12).reshape(10, 12)
    assert np.array_equal(crop_border(image, pixels=4), image[4:6, 4:8])
    assert crop_border(image, pixels=0) is not None
    assert np.array_equal(crop_border(image, pixels=0), image)
    with pytest.raises(UserError, match="12x10 pixels and nothing is left"):
        crop_border(image, pixels=5)


def test_an_image_is_cut_down_to_multiples_around_its_centre() -> None:
    image = np.arange(37 * 50).reshape(37, 50)
    assert np.array_equal(crop_to_multiple(image, of=16), image[2:34, 1:49])
    assert np.array_equal(crop_to_multiple(image, of=1), image)
    assert np.array_equal(crop_to_multiple(image[:32, :48], of=16), image[:32, :48])
    with pytest.raises(UserError, match="15x20 pixels"):
        crop_to_multiple(np.zeros((20, 15, 3)), of=16)


def test_rounded_luma_is_what_matlab_stores_in_eight_bits() -> None:
    # by hand: 16 + 65.481 = 81.481, 16 + 128.553 = 144.553, 16 + 24.966 = 40.966, 16 + 219 * 128 / 255 = 125.929
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]]], np.uint8)
    assert luma(image, rounded=True).ravel().tolist() == [81, 145, 41, 126]
    _, clean = pair()
    assert np.abs(luma(clean, rounded=True) - luma(clean)).max() <= 0.5


def authors_gaussian_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """The reference procedure: a two-dimensional window, moments one by one, five pixels cut off each side."""
    axis = np.exp(-((np.arange(11) - 5.0) ** 2) / 4.5)
    window = np.outer(axis, axis) / np.outer(axis, axis).sum()

    def mean(x: np.ndarray) -> np.ndarray:
        return np.einsum("ijkl,kl->ij", np.lib.stride_tricks.sliding_window_view(x, (11, 11)), window)

    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b, cov = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    c1, c2 = 6.5025, 58.5225
    map_ = ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(map_.mean())


def test_gaussian_ssim_equals_the_reference_procedure_on_colour_and_brightness() -> None:
    restored, clean = pair(size=(40, 52))
    colour = np.mean([authors_gaussian_ssim(restored[..., c], clean[..., c]) for c in range(3)])
    assert ssim(restored, clean) == pytest.approx(colour, abs=1e-9)
    y = authors_gaussian_ssim(luma(restored, rounded=True), luma(clean, rounded=True))
    assert ssim(luma(restored, rounded=True), luma(clean, rounded=True)) == pytest.approx(y, abs=1e-9)
    assert abs(y - colour) > 1e-3


@pytest.mark.parametrize("size", [(9, 30), (40, 52), (150, 24)])
def test_matlab_ssim_equals_a_convolution_over_the_volume_of_three_colours(size: tuple[int, int]) -> None:
    restored, clean = pair(size=size)
    axis = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / 4.5)
    axis = axis / axis.sum()
    window = axis[:, None, None] * axis[None, :, None] * axis[None, None, :]

    def mean(x: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(x[None, None], (5,) * 6, mode="replicate")
        return torch.nn.functional.conv3d(padded, window[None, None])[0, 0]

    a, b = (torch.from_numpy(image.astype(np.float64)) for image in (restored, clean))
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b, cov = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    c1, c2 = 6.5025, 58.5225
    map_ = ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    assert ssim(restored, clean, window="matlab") == pytest.approx(map_.mean().item(), abs=1e-9)
    assert abs(ssim(restored, clean, window="matlab") - ssim(restored, clean, window="uniform")) > 1e-3


def test_matlab_ssim_of_brightness_equals_scipy_with_the_border_repeated() -> None:
    from scipy.ndimage import gaussian_filter

    restored, clean = (luma(image) for image in pair(size=(33, 41)))

    def mean(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, 1.5, mode="nearest", radius=5)

    mean_a, mean_b = mean(restored), mean(clean)
    var = mean(restored**2) - mean_a**2 + mean(clean**2) - mean_b**2
    cov = mean(restored * clean) - mean_a * mean_b
    map_ = (2 * mean_a * mean_b + 6.5025) * (2 * cov + 58.5225) / ((mean_a**2 + mean_b**2 + 6.5025) * (var + 58.5225))
    assert ssim(restored, clean, window="matlab") == pytest.approx(float(map_.mean()), abs=1e-9)
