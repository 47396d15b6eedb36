"""Fractal noise: smooth random fields with detail at every scale, for depth, shadows and procedural pictures."""

from __future__ import annotations

import cv2
import numpy as np


def fractal_noise(
    height: int,
    width: int,
    generator: np.random.Generator,
    *,
    cells: float = 3,
    octaves: int = 4,
    persistence: float = 0.5,
) -> np.ndarray:
    """Return a random field made of value noise at doubling frequencies.

    Arguments:
        height: Rows.
        width: Columns.
        generator: Source of randomness.
        cells: Number of bumps along the shorter side in the coarsest octave.
        octaves: Number of octaves; those finer than two pixels are left out.
        persistence: Amplitude of an octave relative to the one before.

    Returns:
        The field with shape `(height, width)`, float32, stretched to fill [0, 1].

    References:
        An Image Synthesizer (Perlin, 1985)
        https://doi.org/10.1145/325165.325247
    """
    short = min(height, width)
    field = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        pitch = short / (cells * 2**octave)
        if octave and pitch < 2:
            break
        # Two cells of margin let the crop start anywhere, so bumps are not tied to the corners of the image.
        rows, columns = int(np.ceil(height / pitch)) + 3, int(np.ceil(width / pitch)) + 3
        lattice = generator.standard_normal((rows, columns), dtype=np.float32)
        left, top = generator.uniform(0.5, 1.5, size=2)
        # The affine map picks (x / pitch + left, y / pitch + top) of the lattice for each pixel.
        matrix = np.array([[1 / pitch, 0, left], [0, 1 / pitch, top]])
        field += persistence**octave * cv2.warpAffine(
            lattice,
            matrix,
            (width, height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-6)
