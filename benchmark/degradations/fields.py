"""Smooth random fields and line kernels that several operations are made of."""

from __future__ import annotations

import math

import cv2
import numpy as np

GAMMA = 2.2
"""Exponent between display values and linear light."""


def fractal(
    generator: np.random.Generator, height: int, width: int, *, coarsest: int = 2, octaves: int = 4, decay: float = 0.5
) -> np.ndarray:
    """Return fractal value noise with shape `(height, width)`, float32, scaled to [0, 1].

    Arguments:
        generator: Source of randomness.
        height: Rows.
        width: Columns.
        coarsest: Cells of the first octave along each side.
        octaves: Number of octaves, each with twice the cells of the one before.
        decay: Amplitude of an octave relative to the one before.
    """
    field = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = coarsest * 2**octave + 1
        grid = generator.random((cells, cells), dtype=np.float32)
        field += decay**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-6)


def line_kernel(length: float, angle: float) -> np.ndarray:
    """Return a normalised straight motion kernel.

    Arguments:
        length: Length in pixels.
        angle: Direction in radians; 0 is horizontal.
    """
    steps = np.linspace(-length / 2, length / 2, max(int(4 * length), 2))
    return path_kernel(steps * math.cos(angle), steps * math.sin(angle))


def path_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the normalised kernel of a point that moves along a path, splatted bilinearly.

    Arguments:
        x: Columns of the path's points, in pixels from the centre.
        y: Rows of the points.
    """
    radius = math.ceil(max(np.abs(x).max(), np.abs(y).max())) + 1
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
    for dr, weight_r in ((0, 1 - down), (1, down)):
        for dc, weight_c in ((0, 1 - right), (1, right)):
            np.add.at(kernel, (row + dr + radius, column + dc + radius), weight_r * weight_c)
    return kernel / kernel.sum()


def smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return a Gaussian blur of `image` with deviation `sigma` in pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101) if sigma > 0.05 else image


def luminance(image: np.ndarray) -> np.ndarray:
    """Return the Rec. 601 luminance of `(H, W, 3)` RGB, with shape `(H, W)`."""
    return image @ np.asarray([0.299, 0.587, 0.114], np.float32)
