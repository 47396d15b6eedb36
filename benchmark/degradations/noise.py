"""Gaussian noise."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.ranges import within


def noise(image: np.ndarray, generator: np.random.Generator, *, sigma: float = 50) -> np.ndarray:
    """Add white Gaussian noise, independent per pixel and channel, and clip.

    The card's rounding is "truncate": the authors store x 255 without rounding.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        sigma: Standard deviation in 8-bit levels, 0 to 255; the paper's is 50.

    Returns:
        The noisy image, same shape and range.

    Raises:
        UserError: Sigma is out of its range.

    References:
        Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., 2024)
        https://arxiv.org/abs/2310.01018
    """
    sigma = within("sigma", sigma, 0, 255)
    added = generator.standard_normal(image.shape, dtype=np.float32) * np.float32(sigma / 255)
    return np.clip(image + added, 0.0, 1.0)
