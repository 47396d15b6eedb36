"""Procedural colour images, for variety where photos are few."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.fields import fractal

KINDS = ("dead-leaves", "clouds", "tiles")
CAPTIONS = {
    "dead-leaves": "many overlapping flat discs in different colours",
    "clouds": "soft clouds of blended colours",
    "tiles": "a pattern of coloured tiles seen at an angle",
}


def draw(kind: str, number: int, size: int) -> np.ndarray:
    """Draw an image.

    Dead leaves are discs with a power law of radii that cover each other, whose statistics are like those of photos.

    Arguments:
        kind: One of `KINDS`.
        number: Which one; with `kind` it determines every pixel.
        size: Side in pixels.

    Returns:
        Pixels with shape `(size, size, 3)`, uint8, RGB.

    References:
        Occlusion Models for Natural Images (Lee, Mumford and Huang, 2001) https://doi.org/10.1023/A:1011109015675
    """
    generator = np.random.default_rng([KINDS.index(kind), number])
    palette = generator.uniform(20, 235, (6, 3))
    if kind == "dead-leaves":
        # Drawn at twice the size and averaged down, so that edges are as soft as a lens makes them.
        image = np.zeros((2 * size, 2 * size, 3), np.float32)
        radii = 4.0 / np.sqrt(generator.uniform((4.0 / size) ** 2, 1.0, 1500))
        for radius in radii:
            colour = palette[generator.integers(len(palette))] + generator.normal(0, 18, 3)
            centre = tuple(int(v) for v in generator.integers(0, 2 * size, 2))
            cv2.circle(image, centre, int(2 * radius), tuple(float(c) for c in colour), -1)
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    elif kind == "clouds":
        layers = [fractal(generator, size, size, coarsest=3, octaves=6, decay=0.6)[..., None] for _ in range(2)]
        image = palette[0] * (1 - layers[0]) + palette[1] * layers[0]
        image = image * (1 - 0.6 * layers[1]) + palette[2] * 0.6 * layers[1]
    else:
        cells = generator.integers(0, len(palette), (9, 9))
        flat = np.kron(palette[cells], np.ones((32, 32, 1))).astype(np.float32)
        flat *= 0.8 + 0.4 * fractal(generator, *flat.shape[:2], octaves=6, decay=0.8)[..., None]
        side = flat.shape[0]
        corners = np.asarray([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
        inner = corners + generator.uniform(0, 0.2 * side, (4, 2)) * np.where(corners > 0, -1, 1)
        target = np.asarray([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
        matrix = cv2.getPerspectiveTransform(inner.astype(np.float32), target)
        image = cv2.warpPerspective(flat, matrix, (size, size), flags=cv2.INTER_AREA)
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)
