"""Classical methods: each makes images of its own degradation better, and none is upset by an odd one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from benchmark.degradations.haze import haze
from benchmark.degradations.lowlight import lowlight
from benchmark.degradations.mask import mask
from benchmark.degradations.noise import noise
from models.errors import UserError
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.classical.dark_channel import guided_filter
from models.networks.classical.images import noise_level
from models.networks.classical.wiener import line_kernel

CLASSICAL = ["nlm", "tv", "wiener", "unsupervised-wiener", "clahe", "biharmonic", "dark-channel"]


def photos() -> list[np.ndarray]:
    from skimage import data

    both = (data.astronaut()[:384:2, 100:484:2], data.coffee()[::2, 100:500:2])
    return [(photo / 255).astype(np.float32) for photo in both]


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((image.astype(np.float64) - clean) ** 2)))


def moved(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    kernel = line_kernel(9, 0)
    blurred = np.stack([convolve(image[..., c], kernel, mode="reflect") for c in range(3)], axis=2)
    return np.rint(blurred * 255).astype(np.float32) / np.float32(255)


DEGRADE: dict[str, tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], float]] = {
    "nlm": (lambda image, rng: noise(image, rng, sigma=25), 5),
    "tv": (lambda image, rng: noise(image, rng, sigma=25), 4),
    "wiener": (moved, 1.5),
    "unsupervised-wiener": (moved, 4),
    "clahe": (lowlight, 1),
    "biharmonic": (lambda image, rng: mask(image, rng, keep=0.8), 8),
    "dark-channel": (haze, 1),
}
"""What each method is for, and how many decibels it gains at least."""


def test_these_are_all_the_methods_without_weights() -> None:
    without = [n for n, card in NETWORKS.items() if card.weights_licence == "has no weights" and n != "input"]
    assert without == CLASSICAL


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_classical_method_improves_images_of_its_own_degradation(name: str) -> None:
    degrade, least = DEGRADE[name]
    network = build(name, {})
    for number, clean in enumerate(photos()):
        degraded = degrade(clean, np.random.Generator(np.random.PCG64(number)))
        batch = torch.from_numpy(degraded).permute(2, 0, 1)[None]
        restored = network(batch)[0].permute(1, 2, 0).numpy()
        assert psnr(restored, clean) > psnr(degraded, clean) + least


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (33, 57)])
@pytest.mark.parametrize("name", CLASSICAL)
def test_odd_and_empty_images_come_out_whole(name: str, size: tuple[int, int]) -> None:
    network = build(name, {})
    for images in (torch.rand(2, 3, *size), torch.zeros(1, 3, *size), torch.ones(1, 3, *size)):
        restored = network(images)
        assert restored.shape == images.shape
        assert restored.isfinite().all()
        assert 0 <= restored.min() <= restored.max() <= 1


def test_inpainting_touches_nothing_but_the_holes() -> None:
    clean = 0.9 * photos()[0]
    degraded = mask(clean, np.random.Generator(np.random.PCG64(0)), keep=0.9)
    restored = build("biharmonic", {})(torch.from_numpy(degraded).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    known = (degraded < 1).any(axis=2)
    np.testing.assert_allclose(restored[known], degraded[known], atol=1e-6)


@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_the_level_of_noise_is_estimated(sigma: float) -> None:
    grey = np.full((200, 200, 3), 0.5, np.float32)
    noisy = grey + np.random.default_rng(0).normal(0, sigma / 255, grey.shape)
    assert noise_level(noisy) * 255 == pytest.approx(sigma, rel=0.03)


def test_a_guided_filter_keeps_the_guide_and_smooths_what_has_no_edge() -> None:
    guide = np.zeros((60, 60), np.float32)
    guide[:, 30:] = 1
    assert np.abs(guided_filter(guide, guide, radius=5, smoothness=1e-6) - guide).max() < 1e-3
    rough = np.random.default_rng(0).random((60, 60)).astype(np.float32)
    assert guided_filter(np.zeros_like(rough), rough, radius=5, smoothness=1e-3).std() < 0.2 * rough.std()


def test_the_kernel_of_a_motion_is_as_long_as_told_and_points_where_told() -> None:
    flat, upright = line_kernel(7, 0), line_kernel(7, 90)
    assert flat.sum() == pytest.approx(1)
    np.testing.assert_allclose(flat.T[::-1], upright, atol=1e-9)
    assert (flat > 1e-6).sum() == 7
    with pytest.raises(UserError, match="at least 1 pixel"):
        build("wiener", {"length": 0.5})
