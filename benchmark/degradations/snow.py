"""Falling snow."""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.degradations.fields import line_kernel, smooth
from benchmark.degradations.ranges import drawn

SIZES = ((0.6, 1.0, 0.60), (1.3, 0.8, 0.30), (3.2, 0.55, 0.10))
"""Radius in pixels, opacity and share of the flakes: far, middle and near ones."""


def snow(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    density: float | None = None,
    drift: float | None = None,
) -> np.ndarray:
    """Blend translucent flakes of three sizes over the image, each layer blurred along its fall.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        density: Flakes per pixel, 0 to 0.2; drawn from 0.01 to 0.025 when not given.
        drift: Direction of the fall against the vertical in degrees, -60 to 60; drawn from -30 to 30 when not given.

    Returns:
        The snowy image, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        DesnowNet: Context-Aware Deep Network for Snow Removal (Liu et al., 2018) https://arxiv.org/abs/1708.04512
    """
    height, width = image.shape[:2]
    density = drawn(generator, "density", density, (0.01, 0.025), (0.0, 0.2))
    fall = math.radians(90.0 + drawn(generator, "drift", drift, (-30.0, 30.0), (-60.0, 60.0)))
    clear = np.ones((height, width), np.float32)
    for radius, opacity, share in SIZES:
        radius *= generator.uniform(0.8, 1.25)
        # Larger flakes are fewer by their area, so that each layer covers a like part of the picture.
        chance = density * share / max(radius**2, 1.0)
        flakes = (generator.random((height, width), dtype=np.float32) < chance).astype(np.float32)
        flakes *= generator.uniform(0.5, 1.0, flakes.shape).astype(np.float32)
        spread = smooth(flakes, radius) * np.float32(2 * np.pi * radius**2 * 1.2)
        length = 1.5 + 1.5 * radius
        layer = cv2.filter2D(spread, -1, line_kernel(length, fall), borderType=cv2.BORDER_REFLECT_101)
        clear *= 1 - np.float32(opacity) * np.clip(layer, 0.0, 1.0)
    cover = (1 - clear)[..., None]
    white = np.asarray([0.97, 0.98, 1.0], np.float32)
    return np.clip((1 - cover) * image + cover * white, 0.0, 1.0).astype(np.float32)
