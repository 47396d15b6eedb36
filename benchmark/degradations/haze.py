"""Haze: light is scattered out of the view and airlight into it, more so with distance."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.depth import pseudo_depth
from benchmark.degradations.ranges import drawn


def haze(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    beta: float | None = None,
    airlight: float | None = None,
) -> np.ndarray:
    """Apply the atmospheric scattering model I = J t + A (1 - t), t = exp(-beta d).

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness; the depth map d, in [0.25, 1.25], is made with it from the image.
        beta: Scattering coefficient per unit of depth, 0 to 10; drawn from 0.7 to 1.8 when not given.
        airlight: Brightness of the airlight, 0 to 1; drawn from 0.75 to 0.95 when not given.

    Returns:
        The hazy image, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        Benchmarking Single-Image Dehazing and Beyond (Li et al., 2019) https://arxiv.org/abs/1712.04143
    """
    beta = drawn(generator, "beta", beta, (0.7, 1.8), (0.0, 10.0))
    airlight = drawn(generator, "airlight", airlight, (0.75, 0.95), (0.0, 1.0))
    tint = 1.0 + generator.uniform(-0.03, 0.03, 3).astype(np.float32)
    transmission = np.exp(-np.float32(beta) * (0.25 + pseudo_depth(image, generator)))[..., None]
    return np.clip(image * transmission + airlight * tint * (1 - transmission), 0.0, 1.0).astype(np.float32)
