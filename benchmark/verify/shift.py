"""How far a degraded image is displaced against its clean one: to a fraction of a pixel, with an error bar."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from benchmark.verify.structure import local_contrast

LARGEST = 512  # pixels; larger images are shrunk first, shifts are told in their own pixels
COARSE = 256
BLOCKS = 4  # blocks along each side, for the error bar
STEPS = 8
BLURS = (0.0, 0.7, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0)


@dataclass(frozen=True)
class Shift:
    """A displacement of the degraded image against the clean one.

    Arguments:
        x: To the right, in pixels.
        y: Downwards, in pixels.
        error: Standard error of the two together, in pixels.
        gain: How much of the clean structure is left in the degraded image, about 1 for a clear picture.
        peak: Height of the strongest peak of the cross-correlation over its spread; unrelated pictures stay below 7.
    """

    x: float
    y: float
    error: float
    gain: float
    peak: float

    @property
    def length(self) -> float:
        """The distance in pixels."""
        return float(np.hypot(self.x, self.y))


def measure_shift(degraded: np.ndarray, clean: np.ndarray) -> Shift:
    """Measure the displacement by least squares on local contrast, robustly, started at the cross-correlation's peak.

    The error bar comes from leaving out one block of the image at a time: rain, drops and moving things pull every
    block another way, a true displacement pulls all of them alike.

    Arguments:
        degraded: Luminance with shape `(H, W)`, uint8.
        clean: The same of the clean image.

    Returns:
        The displacement.

    References:
        An Iterative Image Registration Technique with an Application to Stereo Vision (Lucas and Kanade, 1981)
        https://www.ijcai.org/Proceedings/81-2/Papers/017.pdf
    """
    scale = min(1.0, LARGEST / max(clean.shape))
    d, c = (_prepare(_shrink(picture, scale), smooth=1.5, radius=8) for picture in (degraded, clean))
    start, peak = _coarse(degraded, clean)
    found = _refine(d, c, start=(0.0, 0.0))
    if peak > 7 and np.hypot(*start) > 1:
        other = _refine(d, c, start=(start[0] * scale, start[1] * scale))
        found = max(found, other, key=lambda result: result[3])
    x, y, error, gain = found
    return Shift(x / scale, y / scale, error / scale, gain, peak)


def blur_extent(degraded: np.ndarray, clean: np.ndarray, shift: Shift) -> float:
    """Return the standard deviation in pixels of the Gaussian that makes the clean luminance most like the degraded.

    Arguments:
        degraded: Luminance with shape `(H, W)`, uint8.
        clean: The same of the clean image.
        shift: The displacement; it is undone first, as it would pass for blur.
    """
    scale = min(1.0, LARGEST / max(clean.shape))
    d, c = (_shrink(picture, scale).astype(np.float32) for picture in (degraded, clean))
    matrix = np.array([[1, 0, shift.x * scale], [0, 1, shift.y * scale]], np.float32)
    c = cv2.warpAffine(c, matrix, (c.shape[1], c.shape[0]), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    d -= d.mean()

    def distance(sigma: float) -> float:
        blurred = cv2.GaussianBlur(c, (0, 0), sigma) if sigma else c
        return float(((d - (blurred - blurred.mean())) ** 2).mean())

    return min(BLURS, key=distance) / scale


def _shrink(picture: np.ndarray, scale: float) -> np.ndarray:
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture


def _prepare(picture: np.ndarray, *, smooth: float, radius: float) -> np.ndarray:
    return local_contrast(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), smooth), radius=radius)


def _coarse(degraded: np.ndarray, clean: np.ndarray) -> tuple[tuple[float, float], float]:
    """Return the whole-pixel displacement of the cross-correlation's peak, and that peak over the spread."""
    scale = min(1.0, COARSE / max(clean.shape))
    d, c = (_prepare(_shrink(picture, scale), smooth=1, radius=6) for picture in (degraded, clean))
    height, width = d.shape
    # Windowed, because the transform joins opposite borders.
    window = np.sqrt(np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]))
    spectra = [np.asarray(fft.rfft2((picture - picture.mean()) * window)) for picture in (d, c)]
    correlations = np.asarray(fft.irfft2(spectra[0] * spectra[1].conj(), s=d.shape))
    y, x = divmod(int(correlations.argmax()), width)
    y, x = (y - height if y > height // 2 else y), (x - width if x > width // 2 else x)
    spread = float(correlations.std())
    peak = float(correlations.max() - correlations.mean()) / spread if spread > 0 else 0.0
    return (x / scale, y / scale), peak


def _refine(d: np.ndarray, c: np.ndarray, *, start: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return x, y, the standard error and the gain, by Gauss-Newton steps with Tukey's weights."""
    height, width = d.shape
    margin = min(int(np.ceil(np.abs(start).max())) + 4, min(height, width) // 3)
    inner = (slice(margin, height - margin), slice(margin, width - margin))
    target = d[inner]
    shift = np.array(start, float)
    gain, normal, right = 0.0, np.zeros((BLOCKS**2, 2, 2)), np.zeros((BLOCKS**2, 2))
    for _ in range(STEPS):
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        moved = cv2.warpAffine(c, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        slopes = [cv2.Scharr(moved, cv2.CV_32F, dx, 1 - dx)[inner] / 32 for dx in (1, 0)]
        moved = moved[inner]
        gain = float(np.vdot(target, moved) / (np.vdot(moved, moved) + 1e-9))
        rest = target - gain * moved
        limit = 4.7 * 1.4826 * float(np.median(np.abs(rest.ravel()[::5]))) + 1e-6
        weight = 1 - np.square(np.minimum(np.abs(rest) / limit, 1))
        weight *= weight
        x, y = (-gain * slope for slope in slopes)
        weighted = (x * weight, y * weight)
        mixed = _by_block(weighted[0] * y)
        normal = np.array([[_by_block(weighted[0] * x), mixed], [mixed, _by_block(weighted[1] * y)]]).transpose(2, 0, 1)
        right = np.stack([_by_block(side * rest) for side in weighted], axis=1)
        step = np.linalg.solve(normal.sum(axis=0) + 1e-6 * np.eye(2), right.sum(axis=0))
        length = float(np.hypot(*step))
        shift += step * min(1.0, 1 / max(length, 1e-9))
        if length < 2e-3:
            break
    without = normal.sum(axis=0) - normal + 1e-6 * np.eye(2)
    estimates = np.linalg.solve(without, (right.sum(axis=0) - right)[..., None])[..., 0]
    variance = (len(estimates) - 1) / len(estimates) * ((estimates - estimates.mean(axis=0)) ** 2).sum()
    return float(shift[0]), float(shift[1]), float(np.sqrt(variance)), gain


def _by_block(product: np.ndarray) -> np.ndarray:
    """Return the sums over the blocks, with shape `(BLOCKS**2,)`."""
    means = cv2.resize(product, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
    return means.ravel().astype(np.float64) * (product.size / BLOCKS**2)
