"""Motion blur: the camera moves while the shutter is open."""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.degradations.fields import GAMMA, path_kernel
from benchmark.degradations.ranges import drawn


def blur(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    length: float | None = None,
    angle: float | None = None,
    bend: float | None = None,
) -> np.ndarray:
    """Average the image along the path of a shaking camera, in linear light.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        length: Length of the path in pixels, 1 to 101; drawn from 9 to 21 when not given.
        angle: Direction in degrees, -180 to 180; any when not given. 0 is horizontal.
        bend: Turn of the direction along the path in degrees, -180 to 180; drawn from -60 to 60 when not given.

    Returns:
        The blurred image, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring (Nah et al., 2017)
        https://arxiv.org/abs/1612.02177
    """
    length = drawn(generator, "length", length, (9.0, 21.0), (1.0, 101.0))
    start = math.radians(drawn(generator, "angle", angle, (-180.0, 180.0), (-180.0, 180.0)))
    turn = math.radians(drawn(generator, "bend", bend, (-60.0, 60.0), (-180.0, 180.0)))
    steps = max(int(4 * length), 2)
    heading = start + turn * (np.linspace(0.0, 1.0, steps) - 0.5)
    x, y = (np.cumsum(part(heading)) * length / steps for part in (np.cos, np.sin))
    kernel = path_kernel(x - x.mean(), y - y.mean())
    linear = np.power(image, GAMMA)
    moved = cv2.filter2D(linear, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return np.power(np.clip(moved, 0.0, 1.0), 1 / GAMMA).astype(np.float32)
