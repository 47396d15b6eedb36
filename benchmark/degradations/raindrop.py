"""Raindrops on the lens."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.fields import smooth
from benchmark.degradations.ranges import drawn


def raindrop(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    cover: float | None = None,
    size: float | None = None,
) -> np.ndarray:
    """Put drops on the lens; each shows the blurred scene upside down and slightly brighter.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1].
        generator: Source of randomness.
        cover: Share of the picture that drops cover if none overlap, 0 to 1; drawn from 0.15 to 0.35 when not given.
        size: Mean radius of a drop as a share of the shorter side, 0.01 to 0.3; drawn from 0.04 to 0.08 when not given.

    Returns:
        The image seen through the drops, same shape and range.

    Raises:
        UserError: A parameter is out of its range.

    References:
        Attentive Generative Adversarial Network for Raindrop Removal from a Single Image (Qian et al., 2018)
        https://arxiv.org/abs/1711.10098
    """
    height, width = image.shape[:2]
    short = min(height, width)
    cover = drawn(generator, "cover", cover, (0.15, 0.35), (0.0, 1.0))
    radius = short * drawn(generator, "size", size, (0.04, 0.08), (0.01, 0.3))
    count = max(int(cover * height * width / (np.pi * radius**2)), 1 if cover else 0)
    alpha = np.zeros((height, width), np.float32)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = rows.copy(), columns.copy()
    for _ in range(count):
        cy, cx = generator.uniform(0, height), generator.uniform(0, width)
        r = radius * generator.uniform(0.5, 1.6)
        stretch = generator.uniform(1.0, 1.35)  # drops hang: taller than wide
        reach = int(1.3 * r * stretch) + 2
        top, bottom = max(int(cy) - reach, 0), min(int(cy) + reach + 1, height)
        left, right = max(int(cx) - reach, 0), min(int(cx) + reach + 1, width)
        part = np.s_[top:bottom, left:right]
        dy, dx = rows[part] - np.float32(cy), columns[part] - np.float32(cx)
        distance = np.sqrt((dx / r) ** 2 + (dy / (r * stretch)) ** 2)
        edge = np.clip((1.15 - distance) / 0.35, 0.0, 1.0).astype(np.float32)
        inside = edge > alpha[part]
        scale = np.float32(min(4.0, 0.5 * short / r))
        x[part] = np.where(inside, np.float32(cx) - dx * scale, x[part])
        y[part] = np.where(inside, np.float32(cy) - dy * scale, y[part])
        alpha[part] = np.maximum(alpha[part], edge)
    # The scene is far behind the drop, so what the drop shows is out of focus.
    background = smooth(image, max(0.5 * radius, 0.8))
    seen = cv2.remap(background, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    seen = smooth(np.clip(seen * 1.08 + 0.05, 0.0, 1.0), max(0.2 * radius, 0.6))
    weight = (smooth(alpha, max(0.2 * radius, 0.7)) * np.float32(0.92))[..., None]
    return np.clip((1 - weight) * image + weight * seen, 0.0, 1.0)
