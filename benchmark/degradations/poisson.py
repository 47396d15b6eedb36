"""Poisson noise: the graininess of counted photons, in colour or grey."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.specs.parameters import flag, number
from models.images.pixels import to_uint8


def poisson(
    image: np.ndarray, generator: np.random.Generator, *, scale: float | None = None, grey: bool = False
) -> np.ndarray:
    """Add noise whose variance grows with the brightness, and clip.

    As in the official code, white counts as many photons as the image has different 8-bit levels, rounded up to a power
    of two: 256 for almost any photo, few for a flat picture, which gets much stronger noise.

    Arguments:
        image: Image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        scale: Factor on the noise, 0 to 10; drawn from 0.01 to 0.5.
        grey: The noise is that of the grey image, the same for the three channels of a pixel.

    Returns:
        The noisy image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data (Wang et al., 2021)
        https://arxiv.org/abs/2107.10833
    """
    scale = number("scale", scale, generator, allowed=(0, 10), drawn=(0.01, 0.5))
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] if flag("grey", grey) else image
    levels = to_uint8(light)
    different = np.count_nonzero(np.bincount(levels.ravel(), minlength=256))
    photons = 2 ** int(np.ceil(np.log2(different)))
    counted = generator.poisson((np.arange(256) / 255 * photons)[levels])
    grain = (counted / photons - levels / 255).astype(np.float32)
    return np.clip(image + np.float32(scale) * grain, 0, 1)
