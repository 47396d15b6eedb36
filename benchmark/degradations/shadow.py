"""Cast shadows."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.fields import fractal, smooth
from benchmark.degradations.ranges import drawn


def shadow(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    darkness: float | None = None,
    cover: float | None = None,
    softness: float | None = None,
) -> np.ndarray:
    """Darken a connected region with a soft edge; the sky still lights it, so it is slightly blue.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        darkness: Share of the light that the shadow takes, 0 to 1; drawn from 0.5 to 0.72 when not given.
        cover: Share of the picture in shadow, 0.05 to 0.95; drawn from 0.3 to 0.55 when not given.
        softness: Width of the penumbra as a share of the shorter side, 0 to 0.2; else drawn from 0.008 to 0.03.

    Returns:
        The shadowed image, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        Shadow Removal via Shadow Image Decomposition (Le and Samaras, 2019) https://arxiv.org/abs/1908.08628
    """
    height, width = image.shape[:2]
    darkness = drawn(generator, "darkness", darkness, (0.5, 0.72), (0.0, 1.0))
    cover = drawn(generator, "cover", cover, (0.3, 0.55), (0.05, 0.95))
    softness = drawn(generator, "softness", softness, (0.008, 0.03), (0.0, 0.2))
    direction = generator.uniform(0, 2 * np.pi)
    rows = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    # A half plane with a ragged border: the shadow of something large that stands outside of the picture.
    side = np.float32(np.cos(direction)) * columns + np.float32(np.sin(direction)) * rows
    shape = side + 0.55 * fractal(generator, height, width, coarsest=2, octaves=4, decay=0.45)
    region = (shape >= np.quantile(shape, 1 - cover)).astype(np.float32)
    region = smooth(region, max(softness * min(height, width), 0.6))[..., None]
    keep = 1 - np.float32(darkness) * np.asarray([1.03, 1.0, 0.93], np.float32)
    return np.clip(image * (1 - region * (1 - keep)), 0.0, 1.0).astype(np.float32)
