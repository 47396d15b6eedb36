"""Low light: too few photons, and the noise that comes with them."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.fields import GAMMA
from benchmark.degradations.ranges import drawn


def lowlight(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    exposure: float | None = None,
    shot: float | None = None,
    read: float | None = None,
) -> np.ndarray:
    """Shorten the exposure in linear light and add the noise of the sensor.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        exposure: Share of the light that is left, 0.001 to 1; drawn from 0.01 to 0.04 when not given.
        shot: Variance of the photon noise per unit of light, 0 to 0.1; drawn from 0.0002 to 0.0006 when not given.
        read: Standard deviation of the read noise in linear light, 0 to 0.1; drawn from 0.0002 to 0.001 when not given.

    Returns:
        The dark image, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        Unprocessing Images for Learned Raw Denoising (Brooks et al., 2019) https://arxiv.org/abs/1811.11127
        Deep Retinex Decomposition for Low-Light Enhancement (Wei et al., 2018) https://arxiv.org/abs/1808.04560
    """
    exposure = drawn(generator, "exposure", exposure, (0.01, 0.04), (0.001, 1.0))
    shot = drawn(generator, "shot", shot, (0.0002, 0.0006), (0.0, 0.1))
    read = drawn(generator, "read", read, (0.0002, 0.001), (0.0, 0.1))
    light = np.power(image, GAMMA) * np.float32(exposure)
    deviation = np.sqrt(np.float32(shot) * light + np.float32(read**2))
    noisy = light + deviation * generator.standard_normal(image.shape, dtype=np.float32)
    return np.power(np.clip(noisy, 0.0, 1.0), 1 / GAMMA).astype(np.float32)
