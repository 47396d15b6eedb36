"""Blur kernels against independent formulas, and the checks of their parameters and files."""

from __future__ import annotations

import math
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from skimage.draw import disk

from benchmark.degradations.kernels.kinds import KINDS, Kernel
from benchmark.degradations.kernels.shapes import (
    box_kernel,
    defocus_kernel,
    gaussian_kernel,
    line_kernel,
    plateau_kernel,
    sinc_kernel,
)
from benchmark.degradations.kernels.stored import stored_kernels
from models.errors import UserError

SIZES = [3, 5, 7, 13, 19, 31]


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "psf"])
def test_kernels_of_every_kind_are_square_odd_not_negative_and_sum_to_one(kind: str) -> None:
    for seed in range(50):
        generator = seeded(seed)
        kernel = Kernel(kind, jitter=KINDS[kind].jitter).complete(generator)
        array = kernel.array(generator)
        assert array.shape == (kernel.size, kernel.size)
        assert array.shape[0] % 2 == 1
        assert 5 <= array.shape[0] <= 19
        assert (array >= 0).all()
        assert abs(array.sum() - 1) < 1e-12
        assert set(KINDS[kind].parameters) == {
            name for name, value in asdict(kernel).items() if name != "kind" and value is not None
        }


@pytest.mark.parametrize("size", SIZES)
def test_the_isotropic_gaussian_equals_opencvs(size: int) -> None:
    line = cv2.getGaussianKernel(size, 1.7)
    assert np.allclose(gaussian_kernel(size=size, sigma_x=1.7, sigma_y=1.7), line @ line.T, atol=1e-15)


@pytest.mark.parametrize("angle", [-150, -45, 0, 30, 90])
def test_the_turned_gaussian_equals_the_density_with_its_covariance(angle: float) -> None:
    turn = math.radians(angle)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    covariance: Any = rotation @ np.diag([2.1**2, 0.8**2]) @ rotation.T
    y, x = np.mgrid[-6:7, -6:7]
    density = multivariate_normal.pdf(np.stack([x, y], axis=-1), np.zeros(2), covariance)
    assert np.allclose(
        gaussian_kernel(size=13, sigma_x=2.1, sigma_y=0.8, angle=angle), density / density.sum(), atol=1e-14
    )


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.9])
def test_generalised_gaussians_and_plateaus_follow_their_formulas(beta: float) -> None:
    generalised = gaussian_kernel(size=9, sigma_x=1.5, sigma_y=0.7, beta=beta)
    plateau = plateau_kernel(size=9, sigma_x=1.5, sigma_y=0.7, beta=beta)
    for x, y in [(1, 0), (0, 1), (2, -1), (-3, 2)]:
        q = (x / 1.5) ** 2 + (y / 0.7) ** 2
        assert generalised[4 + y, 4 + x] / generalised[4, 4] == pytest.approx(math.exp(-(q**beta) / 2), rel=1e-9)
        assert plateau[4 + y, 4 + x] / plateau[4, 4] == pytest.approx(1 / (1 + q**beta), rel=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_defocus_is_a_disc_without_corners_and_box_is_flat(size: int) -> None:
    expected = np.zeros((size, size))
    expected[disk((size // 2, size // 2), size // 2 + 1)] = 1
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        expected[corner] = 0
    assert np.array_equal(defocus_kernel(size=size) > 0, expected > 0)
    assert np.allclose(defocus_kernel(size=size), expected / expected.sum())
    assert np.ptp(box_kernel(size=size)) == 0


@pytest.mark.parametrize("size", SIZES)
def test_lines_run_through_the_centre_from_border_to_border_in_their_direction(size: int) -> None:
    half = size // 2
    steps = 4 * half
    seen = set()
    for index in range(steps):
        kernel = line_kernel(size=size, angle=index * 180 / steps)
        rows, columns = np.nonzero(kernel)
        assert len(rows) == size
        assert kernel[half, half] > 0
        assert max(np.ptp(rows), np.ptp(columns)) == size - 1
        # The direction of the points, with y up, agrees with the angle to half a step of the grid and of the raster.
        x, y = columns - half, half - rows
        direction = math.degrees(0.5 * math.atan2(2 * (x * y).sum(), (x * x).sum() - (y * y).sum()))
        off = (direction - index * 180 / steps + 90) % 180 - 90
        assert abs(off) < 90 / half
        seen.add(kernel.tobytes())
    assert len(seen) == steps
    assert np.array_equal(line_kernel(size=size, angle=180), line_kernel(size=size, angle=0))
    assert np.array_equal(line_kernel(size=size, angle=-45), line_kernel(size=size, angle=135))


@pytest.mark.parametrize("cutoff", [0.8, 1.5, 2.4])
def test_the_sinc_filter_passes_below_its_cut_off_and_stops_above(cutoff: float) -> None:
    response = np.abs(np.fft.fft2(sinc_kernel(size=99, cutoff=cutoff), s=(256, 256)))
    frequency = np.fft.fftfreq(256) * 2 * math.pi
    radius = np.hypot(frequency[:, None], frequency[None, :])
    assert abs(response[radius < cutoff - 0.2].mean() - 1) < 0.02
    assert np.abs(response[radius < cutoff - 0.2] - 1).max() < 0.08
    assert response[radius > cutoff + 0.2].max() < 0.05
    assert abs(response[np.abs(radius - cutoff) < 0.02].mean() - 0.5) < 0.03


def test_jitter_multiplies_by_the_stated_range_and_is_then_normalised() -> None:
    plain = Kernel("iso", size=19, sigma_x=2.0).complete(seeded()).array(seeded())
    ratio = Kernel("iso", size=19, sigma_x=2.0, jitter=0.1).complete(seeded()).array(seeded(1)) / plain
    assert 0.88 < ratio.min() < 0.92
    assert 1.08 < ratio.max() < 1.12
    assert abs(ratio.std() - 0.2 / math.sqrt(12)) < 0.006


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"kind": "isso"}, "kind must be one of iso, aniso, .*, not 'isso' - did you mean 'iso'?"),
        ({"kind": "iso", "sigma_y": 1.0}, "a kernel of kind 'iso' has no sigma_y, only size, sigma_x, jitter"),
        ({"kind": "box", "angle": 3.0}, "a kernel of kind 'box' has no angle, only size"),
        ({"kind": "iso", "size": 8}, "size must be an odd whole number from 3 to 99, not 8"),
        ({"kind": "iso", "sigma_x": 0}, "sigma_x must be a number from 0.1 to 50, not 0"),
        ({"kind": "line", "angle": 270}, "angle must be a number from -180 to 180, not 270"),
        ({"kind": "psf"}, "a file of measured kernels is needed, none are shipped: give file='kernels.npz' or .npy"),
        ({"kind": "psf", "file": "no.npz"}, "there is no file of kernels at 'no.npz'"),
        ({"kind": "psf", "file": 3}, "file must be the path of a .npz or .npy file in quotes, not 3"),
    ],
)
def test_a_wrong_parameter_is_told_in_one_sentence(given: dict, what: str) -> None:
    with pytest.raises(UserError, match=what.replace("?", r"\?")):
        Kernel(**given).complete(seeded())


def test_measured_kernels_are_read_normalised_and_drawn_from(tmp_path: Path) -> None:
    file = tmp_path / "kernels.npz"
    np.savez(file, np.full((5, 5), 2.0), np.eye(7))
    first, second = stored_kernels(str(file))
    assert np.array_equal(first, np.full((5, 5), 1 / 25))
    assert np.array_equal(second, np.eye(7) / 7)
    drawn = {Kernel("psf", file=str(file)).complete(seeded(i)).index for i in range(30)}
    assert drawn == {0, 1}
    assert np.array_equal(Kernel("psf", file=str(file), index=1).complete(seeded()).array(seeded()), second)
    with pytest.raises(UserError, match="index must be a whole number from 0 to 1, not 2"):
        Kernel("psf", file=str(file), index=2).complete(seeded())
    np.save(tmp_path / "stack.npy", np.ones((4, 3, 3)))
    assert len(stored_kernels(str(tmp_path / "stack.npy"))) == 4


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (np.ones((4, 4)), r"kernel 0 of .* has shape \(4, 4\), expected \(K, K\) with K odd"),
        (np.ones((3, 5)), r"has shape \(3, 5\)"),
        (np.ones((5, 5, 3)), r"has shape \(5, 3\)"),
        (np.zeros((3, 3)), "is zero everywhere"),
        (-np.eye(3), "must hold finite numbers of at least 0"),
        (np.full((3, 3), np.nan), "must hold finite numbers of at least 0"),
        (np.array([["a"]]), "must hold finite numbers of at least 0"),
        (np.ones((0, 3, 3)), "holds no kernel"),
    ],
)
def test_a_file_without_kernels_is_refused_with_the_reason(content: np.ndarray, what: str, tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", content)
    with pytest.raises(UserError, match=what):
        stored_kernels(str(tmp_path / "k.npy"))


def test_pickles_and_damaged_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "k.pkl").write_bytes(pickle.dumps({0: np.eye(3)}))
    np.savez(tmp_path / "k.npz", np.eye(3))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "k.npz").read_bytes()[:-30])
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("k.pkl", "cut.npz", "empty.npy"):
        with pytest.raises(UserError, match=r"is no \.npz or \.npy file of plain arrays"):
            stored_kernels(str(tmp_path / name))
