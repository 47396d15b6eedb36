"""Raindrops: water on the lens or on a window, each drop a tiny fish-eye that shows the scene upside down."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.specs.parameters import number


def raindrop(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    coverage: float | None = None,
    radius: float | None = None,
    blur: float | None = None,
) -> np.ndarray:
    """Put drops before the scene; the camera focuses on the scene, so the drops are soft.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        coverage: Fraction of the image behind drops, 0.01 to 0.9; drawn from 0.15 to 0.4.
        radius: Mean radius of a drop as a fraction of the shorter side, 0.01 to 0.3; drawn from 0.045 to 0.08.
        blur: Softness of edge and content as a fraction of a drop's radius, 0.02 to 1; drawn from 0.3 to 0.8.

    Returns:
        The image seen through drops, same shape and type.

    Raises:
        UserError: A parameter is out of range.

    References:
        Attentive Generative Adversarial Network for Raindrop Removal from a Single Image (Qian et al., 2018)
        https://arxiv.org/abs/1711.10098
        Realistic Modeling of Water Droplets for Monocular Adherent Raindrop Recognition using Bezier Curves
        (Roser et al., 2010)
        https://doi.org/10.1007/978-3-642-22819-3_24
    """
    coverage = number("coverage", coverage, generator, allowed=(0.01, 0.9), drawn=(0.15, 0.4))
    radius = number("radius", radius, generator, allowed=(0.01, 0.3), drawn=(0.045, 0.08))
    blur = number("blur", blur, generator, allowed=(0.02, 1), drawn=(0.3, 0.8))
    height, width = image.shape[:2]
    short = min(height, width)
    mean = max(radius * short, 1.0)
    count = max(1, round(-np.log(1 - coverage) * height * width / (np.pi * mean**2 * 1.15)))
    matte = np.zeros((height, width), np.float32)
    glow = np.zeros((height, width), np.float32)
    map_y, map_x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(count):
        size = mean * float(np.clip(generator.lognormal(0, 0.35), 0.4, 2.2))
        _add_drop(matte, glow, map_x, map_y, generator, size=size, blur=blur)
    soft = max(0.35 * blur * mean, 0.3)
    scene = cv2.GaussianBlur(image, (0, 0), max(0.02 * short, 0.5), borderType=cv2.BORDER_REFLECT_101)
    refracted = cv2.remap(scene, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    refracted = cv2.GaussianBlur(refracted, (0, 0), soft, borderType=cv2.BORDER_REFLECT_101)
    light = refracted * (1 + 0.25 * glow[..., None]) + 0.07 * glow[..., None]
    return np.clip(image + matte[..., None] * (light - image), 0, 1)


def _add_drop(
    matte: np.ndarray,
    glow: np.ndarray,
    map_x: np.ndarray,
    map_y: np.ndarray,
    generator: np.random.Generator,
    *,
    size: float,
    blur: float,
) -> None:
    """Write one drop of radius `size` pixels at a random place into the four fields.

    Arguments:
        matte: Opacity of the drops.
        glow: Brightening inside the drops, -1 to 1; drops gather light from the sky and show it at their lower side.
        map_x: Column of the scene that each pixel shows.
        map_y: Row of the scene that each pixel shows.
        generator: Source of randomness.
        size: Radius in pixels.
        blur: Width of the soft edge as a fraction of the radius.
    """
    height, width = matte.shape
    short = min(height, width)
    x0, y0 = generator.uniform((0, 0), (width, height))
    stretch = float(generator.uniform(0.9, 1.35))
    phases, lumps = generator.uniform(0, 2 * np.pi, size=2), generator.normal(0, 0.07, size=2)
    opacity = float(generator.uniform(0.65, 0.95))
    brightness = float(generator.uniform(0.2, 1.0))
    field = float(generator.uniform(0.25, 0.45)) * short
    reach = size * stretch * 1.6 + 2
    left, right = max(0, int(x0 - reach)), min(width, int(x0 + reach) + 1)
    top, bottom = max(0, int(y0 - reach)), min(height, int(y0 + reach) + 1)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    u, v = (x - np.float32(x0)) / np.float32(size), (y - np.float32(y0)) / np.float32(size * stretch)
    around = np.arctan2(v, u)
    outline = 1 + sum(a * np.cos(k * around + p) for k, a, p in zip((2, 3), lumps, phases, strict=True))
    distance = np.hypot(u, v) / outline
    edge = max(blur, 1 / size)
    alpha = np.clip((1 + edge / 2 - distance) / edge, 0, 1)
    alpha = opacity * alpha * alpha * (3 - 2 * alpha)
    window = (slice(top, bottom), slice(left, right))
    front = alpha > matte[window]
    # A drop is a strong lens: away from its middle the view leaps ever farther to the other side of the scene.
    bulge = field * (0.4 + 0.6 * np.minimum(distance, 1.2) ** 2)
    reflected_x, reflected_y = np.float32(x0) - u * bulge, np.float32(y0) - v * bulge
    map_x[window] = np.where(front, np.clip(reflected_x, 0, width - 1), map_x[window])
    map_y[window] = np.where(front, np.clip(reflected_y, 0, height - 1), map_y[window])
    glow[window] = np.where(front, brightness * np.clip(0.6 + 0.5 * v, -1, 1), glow[window])
    matte[window] = np.maximum(matte[window], alpha)
