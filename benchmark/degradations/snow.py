"""Snow: white flakes of several sizes, some sharp, some out of focus or smeared by their fall."""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.degradations.specs.parameters import number

# Radius in pixels (low, high), share of the covered area, opacity (low, high), smear in multiples of the radius.
SIZES = (
    ((0.5, 0.8), 0.45, (0.5, 1.0), 2.0),
    ((0.9, 1.6), 0.35, (0.6, 1.0), 1.5),
    ((2.0, 4.5), 0.20, (0.35, 0.8), 0.8),
)
VARIANTS = 3  # shapes of flake in each size


def snow(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    density: float | None = None,
    angle: float | None = None,
    veil: float | None = None,
) -> np.ndarray:
    """Cover the image with flakes of three sizes and a thin veil of snow too fine to be seen.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        density: Fraction of the image that flakes cover, 0.005 to 0.8; drawn from 0.1 to 0.3.
        angle: Direction of fall in degrees from the vertical, -80 to 80; drawn from -50 to 50.
        veil: How much of the light the fine snow replaces by white, 0 to 0.8; drawn from 0 to 0.12.

    Returns:
        The snowy image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        DesnowNet: Context-Aware Deep Network for Snow Removal (Liu et al., 2018)
        https://arxiv.org/abs/1708.04512
    """
    density = number("density", density, generator, allowed=(0.005, 0.8), drawn=(0.1, 0.3))
    angle = number("angle", angle, generator, allowed=(-80, 80), drawn=(-50, 50))
    veil = number("veil", veil, generator, allowed=(0, 0.8), drawn=(0, 0.12))
    height, width = image.shape[:2]
    scale = max(1.0, min(height, width) / 640)
    covered = -math.log(1 - density)
    clear = np.ones((height, width), np.float32)
    for radii, share, opacity, smear in SIZES:
        for _ in range(VARIANTS):
            radius = scale * float(generator.uniform(*radii))
            fall = math.radians(angle + float(generator.normal(0, 10)))
            kernel = _flake(generator, radius=radius, smear=float(generator.uniform(0, smear)), fall=fall)
            flakes = covered * share / VARIANTS / float(kernel.sum()) * height * width
            clear *= 1 - _scatter(height, width, generator, count=flakes, opacity=opacity, kernel=kernel)
    white = np.array((0.97, 0.98, 1.0), np.float32)
    return np.clip((image * np.float32(1 - veil) + white * np.float32(veil) - white) * clear[..., None] + white, 0, 1)


def _flake(generator: np.random.Generator, *, radius: float, smear: float, fall: float) -> np.ndarray:
    """Return the opacity of one flake as an odd, square kernel with peak 1: a lumpy disc smeared along its fall."""
    half = math.ceil(radius * (1.6 + smear)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    along = x * math.sin(fall) + y * math.cos(fall)
    across = x * math.cos(fall) - y * math.sin(fall)
    beyond = np.maximum(np.abs(along) - radius * smear, 0)
    around = np.arctan2(across, along)
    lumps = 1 + sum(
        float(generator.normal(0, 0.12)) * np.cos(k * around + generator.uniform(0, 6.28)) for k in (2, 3, 5)
    )
    distance = np.hypot(beyond, across) / (radius * lumps)
    softness = max(0.35, 0.6 / radius)  # at least about a pixel, so that small flakes are anti-aliased
    kernel = np.clip((1 + softness / 2 - distance) / softness, 0, 1)
    return (kernel / kernel.max()).astype(np.float32)


def _scatter(
    height: int,
    width: int,
    generator: np.random.Generator,
    *,
    count: float,
    opacity: tuple[float, float],
    kernel: np.ndarray,
) -> np.ndarray:
    """Return the opacity of `count` flakes (on average) at random places, with shape `(height, width)`."""
    seeds = np.zeros((height, width), np.float32)
    number_of_flakes = int(generator.poisson(count))
    rows = generator.integers(height, size=number_of_flakes)
    columns = generator.integers(width, size=number_of_flakes)
    np.maximum.at(seeds, (rows, columns), generator.uniform(*opacity, size=number_of_flakes).astype(np.float32))
    return np.clip(cv2.filter2D(seeds, -1, kernel, borderType=cv2.BORDER_REFLECT_101), 0, 1)
