"""Rain: dense bright streaks added to the image, as in Rain100H."""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.degradations.specs.parameters import integer, number


def rain(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    density: float | None = None,
    strength: float | None = None,
    angle: float | None = None,
    length: float | None = None,
    layers: int | None = None,
) -> np.ndarray:
    """Add layers of grey streaks; they differ in direction, length and width, as drops at several distances do.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        density: Fraction of the image that streaks cover, 0.01 to 0.95; drawn from 0.5 to 0.8.
        strength: Brightness of the strongest streaks, 0.05 to 1; drawn from 0.35 to 0.7.
        angle: Mean direction of fall in degrees from the vertical, -60 to 60; drawn from -30 to 30.
        length: Mean length of a streak in pixels, 2 to 200; drawn from 22 to 48, and longer on images with a shorter
            side over 480 pixels.
        layers: Number of layers, 1 to 5; drawn from 2 to 4.

    Returns:
        The rainy image, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        Deep Joint Rain Detection and Removal from a Single Image (Yang et al., 2017)
        https://arxiv.org/abs/1609.07769
        Vision and Rain (Garg and Nayar, 2007)
        https://doi.org/10.1007/s11263-006-0028-6
    """
    scale = max(1.0, min(image.shape[:2]) / 480)
    density = number("density", density, generator, allowed=(0.01, 0.95), drawn=(0.5, 0.8))
    strength = number("strength", strength, generator, allowed=(0.05, 1), drawn=(0.35, 0.7))
    angle = number("angle", angle, generator, allowed=(-60, 60), drawn=(-30, 30))
    length = number("length", length, generator, allowed=(2, 200), drawn=(22 * scale, 48 * scale))
    layers = integer("layers", layers, generator, allowed=(1, 5), drawn=(2, 4))
    share = -math.log(1 - density) / layers
    total = np.zeros(image.shape[:2], np.float32)
    for _ in range(layers):
        total += streaks(
            image.shape[0],
            image.shape[1],
            generator,
            covered=share,
            angle=angle + float(generator.normal(0, 6)),
            length=length * float(generator.uniform(0.6, 1.4)),
            width=scale * float(generator.uniform(0.8, 1.7)),
        )
    return np.clip(image + np.float32(strength) * np.minimum(total, 1)[..., None], 0, 1)


def streaks(
    height: int,
    width_of_image: int,
    generator: np.random.Generator,
    *,
    covered: float,
    angle: float,
    length: float,
    width: float,
) -> np.ndarray:
    """Return one layer of parallel streaks with shape `(height, width_of_image)`, float32, 0 where there is none.

    Arguments:
        height: Rows.
        width_of_image: Columns.
        generator: Source of randomness.
        covered: Expected number of streaks over a pixel.
        angle: Direction of fall in degrees from the vertical.
        length: Length of a streak in pixels.
        width: Width of a streak in pixels.
    """
    kernel = _streak(angle=angle, length=length, width=width)
    margin = kernel.shape[0] // 2
    rows, columns = height + 2 * margin, width_of_image + 2 * margin
    footprint = np.count_nonzero(kernel > 0.1)
    count = int(generator.poisson(covered / footprint * rows * columns))
    seeds = np.zeros((rows, columns), np.float32)
    where = (generator.integers(rows, size=count), generator.integers(columns, size=count))
    np.maximum.at(seeds, where, generator.uniform(0.15, 1.0, size=count).astype(np.float32))
    layer = cv2.filter2D(seeds, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.clip(layer[margin : margin + height, margin : margin + width_of_image], 0, 1)


def _streak(*, angle: float, length: float, width: float) -> np.ndarray:
    """Return one streak as a square, odd kernel: brightest in the middle, fading to both ends, peak 1."""
    half = math.ceil(length / 2 + width) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    along, across = x * sine + y * cosine, x * cosine - y * sine
    ends = np.clip(1 - np.abs(along) / (length / 2 + 0.5), 0, 1)
    profile = np.clip(width / 2 + 0.5 - np.abs(across), 0, 1)
    kernel = np.minimum(1, 2.5 * ends) * profile
    return (kernel / kernel.max()).astype(np.float32)
