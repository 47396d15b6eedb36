"""Formulas of blur kernels: square, odd, float64, summing to 1, with the middle element as their centre."""

from __future__ import annotations

import math

import numpy as np


def gaussian_kernel(*, size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, beta: float = 1.0) -> np.ndarray:
    """Return a generalised Gaussian, exp(-q^beta / 2), q the squared distance in standard deviations.

    Arguments:
        size: Side in pixels.
        sigma_x: Standard deviation along the first axis in pixels.
        sigma_y: Standard deviation along the second axis in pixels.
        angle: How far the axes are turned in degrees, from x (right) towards y (down).
        beta: Shape: 1 is the Gaussian, less has a sharper peak, more a flatter top.

    Returns:
        The kernel with shape `(size, size)`.

    References:
        Parameter Estimation For Multivariate Generalized Gaussian Distributions (Pascal et al., 2013)
        https://arxiv.org/abs/1302.6498
    """
    q = _squared_distance(size, sigma_x, sigma_y, angle)
    return _normalised(np.exp(-0.5 * q**beta))


def plateau_kernel(*, size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, beta: float = 1.0) -> np.ndarray:
    """Return a plateau, 1 / (1 + q^beta), with the arguments of `gaussian_kernel`; its tails are heavier.

    References:
        Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data (Wang et al., 2021)
        https://arxiv.org/abs/2107.10833
    """
    q = _squared_distance(size, sigma_x, sigma_y, angle)
    return _normalised(1 / (1 + q**beta))


def defocus_kernel(*, size: int) -> np.ndarray:
    """Return the disc of a lens out of focus: pixels nearer than (size + 1) / 2 to the centre, but no corner."""
    y, x = _grid(size)
    disc = (x**2 + y**2 < (size // 2 + 1) ** 2).astype(float)
    disc[[0, 0, -1, -1], [0, -1, 0, -1]] = 0
    return _normalised(disc)


def box_kernel(*, size: int) -> np.ndarray:
    """Return the mean over a square."""
    return np.full((size, size), 1 / size**2)


def line_kernel(*, size: int, angle: float) -> np.ndarray:
    """Return a straight line of equal weights through the whole square, as uniform motion blurs.

    A small grid knows only so many lines: one for each opposite pair of its border pixels. The nearest to `angle` is
    taken, in equal steps of 90 / (size - 1) degrees.

    Arguments:
        size: Side in pixels.
        angle: Direction in degrees from the horizontal, counter-clockwise.

    Returns:
        The kernel with shape `(size, size)`.
    """
    from skimage.draw import line

    half = size // 2
    index = round(angle % 180 / 180 * 4 * half) % (4 * half)
    # The end of the line walks along the border: down the left side, along the bottom, up the right side.
    if index <= half:
        row, column = index, -half
    elif index <= 3 * half:
        row, column = half, index - 2 * half
    else:
        row, column = 4 * half - index, half
    if column > 0:  # always drawn from its left end, because rasters of the two directions differ in a pixel
        row, column = -row, -column
    kernel = np.zeros((size, size))
    kernel[line(half + row, half + column, half - row, half - column)] = 1
    return _normalised(kernel)


def sinc_kernel(*, size: int, cutoff: float) -> np.ndarray:
    """Return the ideal circular low-pass filter, cut off to a square; it has negative lobes and rings.

    Arguments:
        size: Side in pixels.
        cutoff: Cut-off frequency in radians per pixel; pi keeps all that the grid can hold along its axes.

    Returns:
        The kernel with shape `(size, size)`, w J1(w r) / (2 pi r) before it is made to sum to 1.

    References:
        Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data (Wang et al., 2021)
        https://arxiv.org/abs/2107.10833
    """
    from scipy.special import j1

    y, x = _grid(size)
    r = np.hypot(x, y)
    half = size // 2
    r[half, half] = 1
    kernel = cutoff * j1(cutoff * r) / (2 * math.pi * r)
    kernel[half, half] = cutoff**2 / (4 * math.pi)  # the limit for r to 0
    return _normalised(kernel)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    return y, x


def _squared_distance(size: int, sigma_x: float, sigma_y: float, angle: float) -> np.ndarray:
    """Return the squared Mahalanobis distance of each pixel from the centre."""
    y, x = _grid(size)
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return ((cosine * x + sine * y) / sigma_x) ** 2 + ((cosine * y - sine * x) / sigma_y) ** 2


def _normalised(kernel: np.ndarray) -> np.ndarray:
    return kernel / kernel.sum()
