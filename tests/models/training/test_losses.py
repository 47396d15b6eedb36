"""Losses are least for equal images, move in every pixel, and have the value of an independent formula."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from models.errors import UserError
from models.training.losses import RESTORATION_LOSSES, weighted_losses
from models.training.losses.structure import laplacian, total_variation


def images(*, seed: int = 0, rows: int = 3, side: tuple[int, int] = (24, 31)) -> tuple[Tensor, Tensor]:
    """Return clean images and noisy copies of them."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(rows, 3, *side, generator=generator)
    return clean + 0.1 * torch.randn(clean.shape, generator=generator), clean


def numpys(image: Tensor) -> np.ndarray:
    return image.double().numpy()


def blurred(image: np.ndarray) -> np.ndarray:
    kernel = np.outer([0.05, 0.25, 0.4, 0.25, 0.05], [0.05, 0.25, 0.4, 0.25, 0.05])
    return ndimage.correlate(image, kernel, mode="nearest")


def edges(image: np.ndarray) -> np.ndarray:
    kept = np.zeros_like(image)
    kept[::2, ::2] = 4 * blurred(image)[::2, ::2]
    return image - blurred(kept)


def _ssim(x: np.ndarray, y: np.ndarray) -> float:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    maps = [structural_similarity(a, b, full=True, **options)[1] for a, b in zip(x, y, strict=True)]
    return -float(np.mean([m[5:-5, 5:-5] for m in maps]))


def _edge(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean([np.sqrt((edges(a) - edges(b)) ** 2 + 1e-6) for a, b in zip(x, y, strict=True)]))


def _frequency(x: np.ndarray, y: np.ndarray) -> float:
    spectrum = np.fft.fft2(x) - np.fft.fft2(y)
    return float((np.abs(spectrum.real).mean() + np.abs(spectrum.imag).mean()) / 2)


def _smooth_l1(x: np.ndarray, y: np.ndarray) -> float:
    d = np.abs(x - y)
    return float(np.where(d < 1, d**2 / 2, d - 0.5).mean())


def _gradient(x: np.ndarray, y: np.ndarray) -> float:
    return float((np.diff(x - y, axis=1) ** 2).mean() + (np.diff(x - y, axis=2) ** 2).mean())


def _luminance(x: np.ndarray, y: np.ndarray) -> float:
    return float((np.tensordot([0.299, 0.587, 0.114], x - y, 1) ** 2).mean())


INDEPENDENT: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "l1": lambda x, y: float(np.abs(x - y).mean()),
    "mse": lambda x, y: float(((x - y) ** 2).mean()),
    "luminance": _luminance,
    "smooth-l1": _smooth_l1,
    "charbonnier": lambda x, y: float(np.sqrt((x - y) ** 2 + 1e-6).mean()),
    "psnr": lambda x, y: -peak_signal_noise_ratio(y, x, data_range=1.0),
    "ssim": _ssim,
    "edge": _edge,
    "frequency": _frequency,
    "gradient": _gradient,
}
LEAST = {"charbonnier": 1e-3, "edge": 1e-3, "ssim": -1.0, "psnr": -80.0}


@pytest.mark.parametrize("name", RESTORATION_LOSSES)
def test_a_loss_has_the_value_of_an_independent_formula(name: str) -> None:
    restored, clean = images()
    found = RESTORATION_LOSSES[name](restored, clean)
    expected = np.mean([INDEPENDENT[name](numpys(x), numpys(y)) for x, y in zip(restored, clean, strict=True)])
    assert found.item() == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", RESTORATION_LOSSES)
def test_a_loss_is_least_for_equal_images(name: str) -> None:
    restored, clean = images()
    loss = RESTORATION_LOSSES[name]
    assert loss(clean, clean).item() == pytest.approx(LEAST.get(name, 0.0), rel=1e-6, abs=1e-7)
    between = [loss(clean + part * (restored - clean), clean).item() for part in (0.0, 0.25, 0.5, 1.0)]
    assert between == sorted(between)
    assert between[1] > between[0]


@pytest.mark.parametrize("name", RESTORATION_LOSSES)
def test_the_gradient_of_a_loss_is_finite_everywhere_and_leads_to_the_clean_image(name: str) -> None:
    restored, clean = images()
    for start in (restored, clean):
        x = start.clone().requires_grad_()
        RESTORATION_LOSSES[name](x, clean).backward()
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
    x = restored.clone().requires_grad_()
    loss = RESTORATION_LOSSES[name](x, clean)
    (slope,) = torch.autograd.grad(loss, x)
    assert (slope != 0).float().mean() > 0.9
    assert RESTORATION_LOSSES[name](restored - 1e-2 * slope / slope.norm(), clean) < loss


@pytest.mark.parametrize("name", RESTORATION_LOSSES)
def test_a_loss_is_the_mean_over_the_batch(name: str) -> None:
    restored, clean = images(rows=4)
    loss = RESTORATION_LOSSES[name]
    parts = torch.stack([loss(restored[i : i + 1], clean[i : i + 1]) for i in range(4)])
    assert loss(restored, clean).item() == pytest.approx(parts.mean().item(), rel=1e-5)


def test_edges_of_a_smooth_image_are_faint_and_of_a_step_are_not() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    step = (ramp > 0.5).float()
    inside = (..., slice(4, -4), slice(4, -4))
    assert laplacian(ramp)[inside].abs().max() < 1e-6
    assert laplacian(step)[inside].abs().max() > 0.3
    assert total_variation(step).item() == pytest.approx(1 / 31)


def test_ssim_takes_images_smaller_than_its_window() -> None:
    restored, clean = images(side=(8, 16))
    assert -1 < RESTORATION_LOSSES["ssim"](restored, clean) < 0
    assert RESTORATION_LOSSES["ssim"](clean, clean).item() == pytest.approx(-1)


def test_terms_are_weighed_and_told() -> None:
    restored, clean = images()
    total, terms = weighted_losses({"charbonnier": 1.0, "edge": 0.05, "ssim": 2.0})(restored, clean)
    x, y = numpys(restored), numpys(clean)
    single = {n: np.mean([INDEPENDENT[n](a, b) for a, b in zip(x, y, strict=True)]) for n in terms}
    assert list(terms) == ["charbonnier", "edge", "ssim"]
    assert {n: t.item() for n, t in terms.items()} == pytest.approx(single, rel=1e-5)
    expected = single["charbonnier"] + 0.05 * single["edge"] + 2 * single["ssim"]
    assert total.item() == pytest.approx(float(expected), rel=1e-5)


def test_half_precision_is_compared_in_full() -> None:
    restored, clean = images()
    close = clean + 1e-4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total, _ = weighted_losses({"frequency": 1.0, "ssim": 1.0, "edge": 1.0})(restored.bfloat16(), clean)
        small, _ = weighted_losses({"mse": 1.0})(close, clean)
    assert total.dtype == torch.float32
    assert torch.isfinite(total)
    assert small.item() == pytest.approx(1e-8, rel=1e-2)


def test_a_loss_that_nobody_knows_is_named() -> None:
    with pytest.raises(UserError, match="no restoration loss 'charbonier' - did you mean 'charbonnier'"):
        weighted_losses({"charbonier": 1.0})
    with pytest.raises(UserError, match="no restoration loss 'adversarial'"):
        weighted_losses({"adversarial": 1.0})
    total, terms = weighted_losses({"adversarial": 1.0}, own=("adversarial",))(*images())
    assert (total.item(), terms) == (0.0, {})
