"""Storage in 8 bits, for pipelines whose steps keep float."""

from __future__ import annotations

import numpy as np


def quantize(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Clip the image to [0, 1]; the rounding to 8 bits is what its card says.

    Arguments:
        image: Image with shape `(H, W, 3)`, float32 RGB.
        generator: Not used; every operation takes one.

    Returns:
        The clipped image, same shape and type.
    """
    return np.clip(image, 0, 1)
