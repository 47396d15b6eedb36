"""Structural similarity, with the Gaussian window of the paper that defined it, a uniform one, and as MATLAB has it."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from benchmark.metrics.border import check_same_shape
from models.errors import UserError

K1, K2 = 0.01, 0.03


Kind = Literal["gaussian", "uniform", "matlab"]


def _window(kind: Kind) -> tuple[np.ndarray, float]:
    """Return the one-dimensional weights and the factor that turns a window's variance into the wanted estimate."""
    if kind == "uniform":
        return np.full(7, 1 / 7), 49 / 48  # scikit-image's default divides by n - 1
    if kind in ("gaussian", "matlab"):
        distance = np.arange(-5, 6)
        weights = np.exp(-(distance**2) / (2 * 1.5**2))
        return weights / weights.sum(), 1.0
    raise ValueError(f"there is no SSIM window called {kind!r}")


STRIP = 64
"""Rows of windows that are computed together."""


def _across(weights: np.ndarray, channels: int) -> np.ndarray:
    """Return the matrix by which a window slides along the channels, the first and the last one repeated for ever."""
    margin = len(weights) // 2
    mixing = np.zeros((channels, channels))
    for channel in range(channels):
        sources = np.clip(np.arange(channel - margin, channel + margin + 1), 0, channels - 1)
        np.add.at(mixing[channel], sources, weights)
    return mixing


def ssim(
    restored: np.ndarray,
    clean: np.ndarray,
    *,
    window: Kind = "gaussian",
    data_range: float = 255.0,
) -> float:
    """Return the structural similarity of two images, averaged over channels and over every window.

    Arguments:
        restored: Image with shape `(H, W)` or `(H, W, C)`.
        clean: Image of the same shape and scale.
        window: "gaussian" is 11x11 with sigma 1.5 (the paper's) and "uniform" 7x7 (scikit-image's default), both at
            every place where they are inside the image. "matlab" is the Gaussian at every pixel, with the border
            repeated outwards, and for colour images 11x11x11: MATLAB takes an array of three dimensions for a volume.
        data_range: Distance between the darkest and the brightest value.

    Returns:
        The similarity, 1 for equal images.

    Raises:
        UserError: The shapes differ, or the image is smaller than one window.

    References:
        Image quality assessment: from error visibility to structural similarity (Wang, Bovik, Sheikh and Simoncelli,
        2004), https://doi.org/10.1109/TIP.2003.819861
    """
    check_same_shape(restored, clean)
    weights, unbias = _window(window)
    size, margin = len(weights), len(weights) // 2
    height, width = clean.shape[:2]
    if window != "matlab" and min(height, width) < size:
        raise UserError(
            f"SSIM needs at least {size}x{size} pixels and got {width}x{height} (after the protocol's crop): "
            f"use larger images"
        )

    mixing = _across(weights, clean.shape[2]) if window == "matlab" and clean.ndim == 3 else None
    if window == "matlab":
        around = ((margin, margin), (margin, margin), *((0, 0),) * (clean.ndim - 2))
        restored, clean = (np.pad(image, around, mode="edge") for image in (restored, clean))

    def local_mean(values: np.ndarray) -> np.ndarray:
        filtered = cv2.sepFilter2D(values, cv2.CV_64F, weights, weights)[margin:-margin, margin:-margin]
        return filtered if mixing is None else cv2.transform(filtered, mixing)

    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    windows = clean.shape[0] - size + 1
    total = 0.0
    # Strip by strip: what is computed of one stays in the processor's cache, which makes it twice as fast.
    for top in range(0, windows, STRIP):
        rows = slice(top, min(top + STRIP, windows) + size - 1)
        x, y = restored[rows].astype(np.float64), clean[rows].astype(np.float64)
        mean_x, mean_y = local_mean(x), local_mean(y)
        product = mean_x * mean_y
        power = np.square(mean_x, out=mean_x)
        power += np.square(mean_y, out=mean_y)
        covariance = local_mean(x * y) - product
        # the formula needs only the sum of the two variances, so four passes of the filter do instead of five
        squares = np.square(x, out=x)
        squares += np.square(y, out=y)
        variances = local_mean(squares) - power
        below = (power + c1) * (variances * unbias + c2)
        total += float(((2 * product + c1) * (2 * unbias * covariance + c2) / below).sum())
    return total / (windows * (clean.shape[1] - size + 1) * (clean.shape[2] if clean.ndim == 3 else 1))
