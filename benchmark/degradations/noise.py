"""Noise: additive white Gaussian noise, as in the paper's synthetic noisy set."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.specs.parameters import flag, number


def noise(image: np.ndarray, generator: np.random.Generator, *, sigma: float = 50, grey: bool = False) -> np.ndarray:
    """Add Gaussian noise, independent for each pixel and channel, and clip.

    The paper's set stores the result by truncation (its card says so), which lowers the mean by half a grey level.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        sigma: Standard deviation in 8-bit grey levels, 0 to 255.
        grey: The three channels of a pixel get the same noise.

    Returns:
        The noisy image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising (Zhang et al., 2017)
        https://arxiv.org/abs/1608.03981
    """
    scale = np.float32(number("sigma", sigma, generator, allowed=(0, 255), drawn=(50, 50)) / 255)
    planes = 1 if flag("grey", grey) else image.shape[2]
    # In place: this is the hot path of building a large set, and new memory for each operation would cost a tenth more.
    noisy = generator.standard_normal((*image.shape[:2], planes), dtype=np.float32)
    noisy *= scale
    noisy = np.add(noisy, image, out=noisy if planes == image.shape[2] else None)
    return np.clip(noisy, 0, 1, out=noisy)
