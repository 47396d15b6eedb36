"""Rain streaks."""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.degradations.fields import line_kernel, smooth
from benchmark.degradations.ranges import drawn


def rain(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    density: float | None = None,
    angle: float | None = None,
    strength: float | None = None,
    layers: int = 2,
) -> np.ndarray:
    """Add layers of bright streaks, as heavy synthetic rain does.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        density: Share of the pixels at which a drop starts, in all layers together, 0 to 0.2; drawn from 0.008 to 0.018
            when not given.
        angle: Lean of the streaks against the vertical in degrees, -60 to 60; drawn from -25 to 25 when not given.
        strength: Brightness of the streaks, 0 to 1; drawn from 0.45 to 0.75 when not given.
        layers: Number of layers, 1 to 5, each with its own lean, length and thickness.

    Returns:
        The rainy image, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        Deep Joint Rain Detection and Removal from a Single Image (Yang et al., 2017) https://arxiv.org/abs/1609.07769
    """
    height, width = image.shape[:2]
    density = drawn(generator, "density", density, (0.008, 0.018), (0.0, 0.2))
    lean = drawn(generator, "angle", angle, (-25.0, 25.0), (-60.0, 60.0))
    strength = drawn(generator, "strength", strength, (0.45, 0.75), (0.0, 1.0))
    layers = int(drawn(generator, "layers", layers, (1, 5), (1, 5)))
    streaks = np.zeros((height, width), np.float32)
    for _ in range(layers):
        length = generator.uniform(15.0, 35.0)
        tilt = math.radians(90.0 + lean + generator.uniform(-4.0, 4.0))
        drops = (generator.random((height, width), dtype=np.float32) < density / layers).astype(np.float32)
        drops *= generator.uniform(0.4, 1.0, drops.shape).astype(np.float32)
        drops = smooth(drops, generator.uniform(0.45, 0.8))
        layer = cv2.filter2D(drops, -1, line_kernel(length, tilt) * length, borderType=cv2.BORDER_REFLECT_101)
        streaks = np.maximum(streaks, np.clip(1.6 * layer, 0.0, 1.0))
    return np.clip(image + np.float32(strength) * streaks[..., None], 0.0, 1.0)
