"""Low light: the same scene with a much shorter exposure and the noise of a sensor that counts few photons."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.specs.parameters import number

GAMMA = 2.2  # stored values to this power are taken for linear light


def lowlight(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    exposure: float | None = None,
    electrons: float | None = None,
    read: float | None = None,
) -> np.ndarray:
    """Expose for a small fraction of the time, count photons, add read noise, and store.

    The default range gives stored values 8 to 28 percent of the clean ones, as in most of LOL's test pairs.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        exposure: Linear exposure relative to the clean image, 0.0005 to 1; drawn log-uniformly from 0.004 to 0.06.
        electrons: Electrons that white at full exposure sets free in a pixel, 100 to 1000000; drawn log-uniformly from
            8000 to 40000. Fewer means more photon noise.
        read: Standard deviation of the read noise in electrons, 0 to 100; drawn from 1 to 4.

    Returns:
        The dark image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image Raw-Data (Foi et al., 2008)
        https://doi.org/10.1109/TIP.2008.2001399
        Deep Retinex Decomposition for Low-Light Enhancement (Wei et al., 2018)
        https://arxiv.org/abs/1808.04560
    """
    exposure = number("exposure", exposure, generator, allowed=(5e-4, 1), drawn=(4e-3, 0.06), logarithmic=True)
    electrons = number("electrons", electrons, generator, allowed=(100, 1e6), drawn=(8e3, 4e4), logarithmic=True)
    read = number("read", read, generator, allowed=(0, 100), drawn=(1, 4))
    expected = np.power(image, np.float32(GAMMA)) * np.float32(exposure * electrons)
    counted = generator.poisson(expected).astype(np.float32)
    counted += generator.standard_normal(image.shape, dtype=np.float32) * np.float32(read)
    return np.power(np.clip(counted / np.float32(electrons), 0, 1), np.float32(1 / GAMMA))
