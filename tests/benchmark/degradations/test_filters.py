"""Laws of the follow-up paper's operations: filters, resizing, deconvolution and the under-display camera."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.degradations import OPERATIONS
from benchmark.degradations.deconvolve import centred, wiener
from benchmark.degradations.kernels.kinds import KINDS
from benchmark.degradations.kernels.shapes import gaussian_kernel
from benchmark.degradations.specs.pipeline import DEFAULT_SPECS, apply
from benchmark.sources.demo import tiles
from models.errors import UserError
from models.images.pixels import to_float

RESTORE = "resize(restore=true)"
SPECS = [
    *(f'kernel_blur(kind="{kind}")' for kind in KINDS if kind != "psf"),
    'kernel_blur(kind="generalized-aniso", jitter=0.3, beta=0.5)',
    'kernel_blur(kind="box", size=99)',
    "sinc()",
    "sinc(size=19, cutoff=0.05)",
    "deconvolve()",
    'deconvolve(kind="defocus", size=31, blend=0.3)',
    f"resize() | {RESTORE}",
    f'resize(scale=0.05, interpolation="area") | {RESTORE}',
    f'resize(scale=4, interpolation="cubic") | {RESTORE}',
    "poisson()",
    "poisson(scale=10, grey=true)",
    "noise(sigma=255, grey=true)",
    "quantize()",
    *(f"wild(blur_prob={p}, resize_prob={p}, noise_prob={p}, jpeg_prob={p})" for p in (0.0, 0.5, 1.0)),
]
SIZES = [(8, 8), (9, 41), (57, 33), (128, 96)]


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def photo(height: int, width: int) -> np.ndarray:
    return cv2.resize(tiles("test", 1)[0].pixels(), (width, height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_size_and_type_hold_everywhere_and_the_input_stays_as_it_was(spec: str, size: tuple[int, int]) -> None:
    pixels = photo(*size)
    before = pixels.copy()
    pixels.setflags(write=False)
    for key in "abc":
        degraded = apply(spec, pixels, seed=0, key=key)
        assert degraded.shape == (*size, 3)
        assert degraded.dtype == np.uint8
        assert not np.shares_memory(degraded, pixels)
        assert np.array_equal(degraded, apply(spec, pixels, seed=0, key=key))
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_images_stay_flat_under_filters_and_are_no_special_case(spec: str, value: int) -> None:
    flat = np.full((40, 24, 3), value, np.uint8)
    degraded = apply(spec, flat, seed=0, key="flat")
    if spec.startswith(("kernel_blur", "sinc", "resize", "quantize")):
        assert np.array_equal(degraded, flat)
    elif spec.startswith("deconvolve"):  # 1 / (1 + 0.006) of the light is left
        assert np.abs(degraded.astype(int) - value / 1.006).max() < 1.01


@pytest.mark.parametrize("name", [name for name, card in OPERATIONS.items() if card.rounding == "keep"])
def test_functions_give_fresh_finite_float32(name: str, tmp_path: Path) -> None:
    np.save(tmp_path / "psf.npy", np.full((3, 3, 3), 1 / 9))
    image = to_float(photo(33, 48))
    image.setflags(write=False)
    given = {"file": str(tmp_path / "psf.npy")} if name == "under_display" else {}
    for seed in range(5):
        result = OPERATIONS.load(name)(image, seeded(seed), **given)
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert not np.shares_memory(result, image)
        if name in ("kernel_blur", "under_display"):  # no negative weights, so the range holds
            assert result.min() >= image.min() - 1e-6
            assert result.max() <= image.max() + 1e-6


@pytest.mark.parametrize("spec", [*SPECS, *DEFAULT_SPECS.values()])
def test_the_global_generators_are_neither_used_nor_moved(spec: str) -> None:
    pixels = photo(32, 40)
    random.seed(1)
    np.random.seed(1)
    first = apply(spec, pixels, seed=0, key="k")
    legacy, plain = np.random.get_state(legacy=False)["state"]["key"], random.getstate()
    random.seed(1)
    np.random.seed(1)
    assert np.array_equal(legacy, np.random.get_state(legacy=False)["state"]["key"])
    assert plain == random.getstate()
    random.seed(2)
    np.random.seed(2)
    assert np.array_equal(first, apply(spec, pixels, seed=0, key="k"))


def test_kernel_blur_is_a_correlation_with_a_mirrored_border(tmp_path: Path) -> None:
    kernel = np.zeros((5, 5))
    kernel[1, 4], kernel[2, 2] = 0.75, 0.25  # not symmetric: one row up, two columns to the right
    np.save(tmp_path / "k.npy", kernel)
    image = to_float(photo(24, 31))
    blurred = OPERATIONS.load("kernel_blur")(image, seeded(), kind="psf", file=str(tmp_path / "k.npy"))
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    assert np.allclose(blurred, 0.75 * padded[1:25, 4:35] + 0.25 * image, atol=1e-6)


def test_wiener_with_a_point_only_divides_by_one_plus_the_ratio() -> None:
    image = to_float(photo(40, 33))
    point = np.zeros((5, 5))
    point[2, 2] = 1
    assert np.allclose(wiener(image, point, nsr=0.25), image / 1.25, atol=1e-6)


def test_wiener_undoes_blur_and_less_so_when_it_expects_noise() -> None:
    image = to_float(tiles("test", 1)[0].pixels())
    kernel = gaussian_kernel(size=7, sigma_x=1.2, sigma_y=1.2)
    blurred = cv2.filter2D(image, -1, kernel)
    errors = [
        np.square(sharpened - image).mean()
        for sharpened in (wiener(blurred, kernel, nsr=1e-4), wiener(blurred, kernel, nsr=0.006), blurred)
    ]
    assert errors[0] < 0.7 * errors[1]
    assert errors[1] < 0.5 * errors[2]


def test_deconvolution_blends_with_the_blurred_image() -> None:
    image = to_float(photo(48, 48))
    given = {"kind": "iso", "size": 7, "sigma_x": 1.0}
    blurred = OPERATIONS.load("kernel_blur")(image, seeded(), **given)
    sharp = OPERATIONS.load("deconvolve")(image, seeded(), **given)
    mixed = OPERATIONS.load("deconvolve")(image, seeded(), **given, blend=0.3)
    assert np.allclose(mixed, 0.3 * blurred + 0.7 * sharp, atol=1e-6)
    assert np.allclose(sharp, wiener(blurred, gaussian_kernel(size=7, sigma_x=1.0, sigma_y=1.0), nsr=0.006), atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (9, 12), (4, 5), (3, 3)])
@pytest.mark.parametrize("side", [3, 5, 6])
def test_centring_moves_the_middle_of_a_kernel_to_the_origin(shape: tuple[int, int], side: int) -> None:
    kernel = np.arange(1, side * side + 1, dtype=float).reshape(side, side)
    result = centred(kernel, shape)
    assert result.shape == shape
    assert result[0, 0] == kernel[side // 2, side // 2]
    assert result[0, 1] == kernel[side // 2, side // 2 + 1]
    assert result[-1, 0] == kernel[side // 2 - 1, side // 2]
    if min(shape) >= side:
        assert result.sum() == kernel.sum()


@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_the_under_display_camera_filters_each_channel_with_its_own_function(
    size: tuple[int, int], tmp_path: Path
) -> None:
    psf = np.zeros((7, 7, 3))
    psf[3, 3, 0] = psf[3, 5, 1] = psf[2, 3, 2] = 1  # red stays, green moves two right, blue one up
    np.save(tmp_path / "psf.npy", psf)
    image = to_float(photo(*size))
    seen = OPERATIONS.load("under_display")(image, seeded(), file=str(tmp_path / "psf.npy"), blend=0.4)
    moved = np.stack([image[..., 0], np.roll(image[..., 1], 2, axis=1), np.roll(image[..., 2], -1, axis=0)], axis=2)
    assert np.allclose(seen, 0.4 * moved + 0.6 * image, atol=1e-6)
    with pytest.raises(UserError, match=r"in under_display\(\): a file of measured kernels is needed"):
        apply("under_display()", photo(16, 16), seed=0, key="k")


@pytest.mark.parametrize("interpolation", ["area", "cubic", "linear"])
@pytest.mark.parametrize("scale", [0.3, 0.7143, 1.0, 1.7])
def test_resizing_gives_sides_cut_to_whole_pixels_and_back(interpolation: str, scale: float) -> None:
    image = to_float(photo(45, 70))
    resize = OPERATIONS.load("resize")
    scaled = resize(image, seeded(), (45, 70), scale=scale, interpolation=interpolation)
    assert scaled.shape == (int(45 * scale), int(70 * scale), 3)
    restored = resize(scaled, seeded(), (45, 70), restore=True, interpolation=interpolation)
    assert restored.shape == image.shape
    assert np.abs(restored - image).mean() < (0.001 if scale == 1.0 else 0.08)


def test_scale_and_restore_exclude_each_other() -> None:
    with pytest.raises(UserError, match="scale and restore exclude each other"):
        apply("resize(scale=0.5, restore=true)", photo(16, 16), seed=0, key="k")
