"""Noise: additive white Gaussian noise, as in the paper's synthetic noisy set."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.parameters import number


def noise(image: np.ndarray, generator: np.random.Generator, *, sigma: float = 50) -> np.ndarray:
    """Add Gaussian noise, independent for each pixel and channel, and clip.

    The paper's set stores the result by truncation (its card says so), which lowers the mean by half a grey level.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        sigma: Standard deviation in 8-bit grey levels, 0 to 255.

    Returns:
        The noisy image, same shape and type.

    Raises:
        UserError: `sigma` is out of range.

    References:
        Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising (Zhang et al., 2017)
        https://arxiv.org/abs/1608.03981
    """
    sigma = number("sigma", sigma, generator, allowed=(0, 255), drawn=(50, 50))
    grain = generator.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image + grain * np.float32(sigma / 255), 0, 1)
