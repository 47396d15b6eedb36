"""Shadow: part of the scene loses the direct light and keeps only that of the sky."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.fractal import fractal_noise
from benchmark.degradations.specs.parameters import number

GAMMA = 2.2  # stored values to this power are taken for linear light


def shadow(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    coverage: float | None = None,
    light: float | None = None,
    tint: float | None = None,
    softness: float | None = None,
) -> np.ndarray:
    """Cast a shadow of a corner, a pole or foliage over part of the image.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        coverage: Fraction of the image in shadow, 0.02 to 0.95; drawn from 0.25 to 0.6.
        light: Fraction of the (linear) light that is left in the shadow, 0.01 to 0.9; drawn from 0.06 to 0.22.
        tint: How much more blue than red is left, 0 to 1; drawn from 0.1 to 0.4. 0 is a grey shadow.
        softness: Standard deviation of the penumbra as a fraction of the shorter side, 0 to 0.1; drawn from 0.004 to
            0.025.

    Returns:
        The shadowed image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        The Shadow Meets the Mask: Pyramid-Based Shadow Removal (Shor and Lischinski, 2008)
        https://doi.org/10.1111/j.1467-8659.2008.01155.x
        DeshadowNet: A Multi-context Embedding Deep Network for Shadow Removal (Qu et al., 2017)
        https://doi.org/10.1109/CVPR.2017.248
    """
    coverage = number("coverage", coverage, generator, allowed=(0.02, 0.95), drawn=(0.25, 0.6))
    light = number("light", light, generator, allowed=(0.01, 0.9), drawn=(0.06, 0.22))
    tint = number("tint", tint, generator, allowed=(0, 1), drawn=(0.1, 0.4))
    softness = number("softness", softness, generator, allowed=(0, 0.1), drawn=(0.004, 0.025))
    height, width = image.shape[:2]
    matte = silhouette(height, width, generator, coverage=coverage)
    sigma = softness * min(height, width)
    if sigma > 0.05:
        matte = cv2.GaussianBlur(matte, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    left = np.clip(light * np.array((1 - tint / 2, 1, 1 + tint / 2)), 0, 1).astype(np.float32)
    flare = np.float32(0.001)  # light scattered in the lens keeps the darkest shadow off black
    linear = np.power(image, np.float32(GAMMA))
    dark = left * linear + flare
    mixed = linear + matte[..., None] * np.minimum(dark - linear, 0)
    return np.power(np.clip(mixed, 0, 1), np.float32(1 / GAMMA))


def silhouette(height: int, width: int, generator: np.random.Generator, *, coverage: float) -> np.ndarray:
    """Return the shape of a cast shadow with shape `(height, width)`, float32, 1 in the shadow and 0 outside.

    The shape is where a height field exceeds the quantile that gives `coverage`. The field is the roof of one to three
    slanted planes (corners, walls, poles) roughened by fractal noise: little of it gives a wall, much gives foliage.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    field = np.full((height, width), -np.inf, np.float32)
    for _ in range(int(generator.integers(1, 4))):
        direction = float(generator.uniform(0, 2 * np.pi))
        distance = x * np.float32(np.cos(direction)) + y * np.float32(np.sin(direction))
        distance -= distance.mean()
        if generator.uniform() < 0.4:  # a pole or a trunk: a strip instead of a half plane
            distance = -np.abs(distance - float(generator.uniform(-0.2, 0.2)))
            distance += float(generator.uniform(0.0, 0.1))
        field = np.maximum(field, distance)
    leafy = generator.uniform() < 0.5
    roughness = float(generator.uniform(0.4, 1.0) if leafy else generator.uniform(0.02, 0.12))
    field = field + roughness * fractal_noise(height, width, generator, cells=3 if leafy else 2, octaves=5)
    return (field > np.quantile(field, 1 - coverage)).astype(np.float32)
