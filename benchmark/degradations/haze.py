"""Haze: light scattered into and out of the line of sight by the air between camera and scene."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.depth import plausible_depth
from benchmark.degradations.specs.parameters import number


def haze(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    beta: float | None = None,
    airlight: float | None = None,
) -> np.ndarray:
    """Mix the image with the airlight, the more the farther a pixel lies.

    The nearest point keeps an optical depth of a fifth of the farthest one's, because haze begins at the lens.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        beta: Optical depth at the farthest point, without unit, 0.1 to 5; drawn from 0.6 to 1.8, so that 55 to 17
            percent of the light of the farthest point arrives.
        airlight: Brightness of the air, 0.3 to 1; drawn from 0.75 to 0.98, nearly grey.

    Returns:
        The hazy image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        Vision and the Atmosphere (Narasimhan and Nayar, 2002)
        https://doi.org/10.1023/A:1016328200723
        Benchmarking Single Image Dehazing and Beyond (Li et al., 2019)
        https://arxiv.org/abs/1712.04143
    """
    beta = number("beta", beta, generator, allowed=(0.1, 5), drawn=(0.6, 1.8))
    airlight = number("airlight", airlight, generator, allowed=(0.3, 1), drawn=(0.75, 0.98))
    tint = np.clip(airlight + generator.normal(0, 0.012, size=3), 0, 1).astype(np.float32)
    distance = 0.2 + 0.8 * plausible_depth(image, generator)
    transmission = np.exp(np.float32(-beta) * distance)[..., None]
    return np.clip(image * transmission + tint * (1 - transmission), 0, 1)
