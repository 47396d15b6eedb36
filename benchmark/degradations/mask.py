"""Inpainting masks: thin brush strokes painted white over the image."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.specs.parameters import number

TURNS = (0.15, 1.0, 1.57, 2.1)  # radians; strokes keep to a few directions, as in the published thin masks


def mask(image: np.ndarray, generator: np.random.Generator, *, keep: float | None = None) -> np.ndarray:
    """Paint white holes along random thin brush strokes and leave every other pixel untouched.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        keep: Fraction of the pixels that is kept, 0.3 to 0.99; drawn from 0.5 to 0.965 with mean 0.70 by default.

    Returns:
        The image with holes exactly 1, same shape and type.

    Raises:
        UserError: `keep` is out of range.

    References:
        RePaint: Inpainting using Denoising Diffusion Probabilistic Models (Lugmayr et al., 2022)
        https://arxiv.org/abs/2201.09865
        Resolution-robust Large Mask Inpainting with Fourier Convolutions (Suvorov et al., 2021)
        https://arxiv.org/abs/2109.07161
    """
    if keep is None:
        keep = 0.5 + 0.465 * float(generator.beta(1.0, 1.3))
    keep = number("keep", keep, generator, allowed=(0.3, 0.99), drawn=(0.5, 0.965))
    holes = brush_strokes(image.shape[0], image.shape[1], generator, covered=1 - keep)
    return np.where(holes[..., None], np.float32(1), image)


def brush_strokes(height: int, width: int, generator: np.random.Generator, *, covered: float) -> np.ndarray:
    """Return holes with shape `(height, width)`, bool, that cover close to the fraction `covered`.

    Strokes are bent lines with round ends, 4 to 14 pixels wide on a 256-pixel image and scaled with the shorter side.
    The result never covers more than `covered`, except that there is always a hole of one pixel.
    """
    scale = min(height, width) / 256
    canvas = np.zeros((height, width), np.uint8)
    area = height * width
    target = int(covered * area)
    reach = 1.0
    for _ in range(2000):
        stroke = canvas.copy()
        _paint(stroke, generator, scale=scale, reach=reach)
        painted = cv2.countNonZero(stroke)
        if painted <= target:
            canvas = stroke
        else:
            reach *= 0.8  # the rest of the budget is small: try shorter and thinner strokes
        if target - cv2.countNonZero(canvas) <= max(0.01 * area, 1) or reach < 0.02:
            break
    if not canvas.any():
        canvas[generator.integers(height), generator.integers(width)] = 1
    return canvas.astype(bool)


def _paint(canvas: np.ndarray, generator: np.random.Generator, *, scale: float, reach: float) -> None:
    """Paint one bent stroke of one to four segments onto `canvas`."""
    height, width = canvas.shape
    point = generator.uniform((0, 0), (width, height))
    thickness = max(1, round(float(generator.uniform(4, 14)) * scale * reach))
    for segment in range(int(generator.integers(1, 5))):
        angle = TURNS[int(generator.integers(len(TURNS)))] + float(generator.normal(0, 0.08))
        if segment % 2:
            angle = -angle
        step = float(generator.uniform(8, 60)) * scale * reach
        end = point + step * np.array((np.cos(angle), np.sin(angle)))
        cv2.line(canvas, _pixel(point), _pixel(end), 1, thickness)
        point = end


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
