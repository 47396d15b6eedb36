"""Resizing: fewer or more pixels, and back to the size with which the pipeline began."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.specs.parameters import choice, flag, number
from models.errors import UserError

MAX_PIXELS = 200_000_000
MAX_GROWTH = 64
"""Largest image that a step may make, in pixels and times the pixels at the start of the pipeline: several steps of a
spec out of a file could ask for all memory otherwise. One step makes at most 16 times as many."""

INTERPOLATIONS = {"area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR}


def resize(
    image: np.ndarray,
    generator: np.random.Generator,
    original: tuple[int, int] | None = None,
    *,
    scale: float | None = None,
    restore: bool = False,
    interpolation: str | None = None,
) -> np.ndarray:
    """Resize the image, by a factor or to the size with which the pipeline began.

    A pipeline must end with the size of its beginning, so `resize(scale=...)` wants a `resize(restore=true)` behind it:
    `resize(scale=0.5, interpolation="area") | resize(restore=true, interpolation="cubic")`.

    Arguments:
        image: Image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        original: Height and width at the start of the pipeline.
        scale: New side over old side, 0.05 to 4, the result cut to whole pixels; 1 / scale is drawn from 0.5 to 1.4.
        restore: Go back to the original size instead.
        interpolation: `area`, `cubic` or `linear`; drawn from these. None smooths before it drops pixels except `area`.

    Returns:
        The image in its new size, same type; `cubic` leaves [0, 1] a little at edges.

    Raises:
        UserError: A parameter is out of range, or `scale` and `restore` are both given.

    References:
        Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models (Luo et al., 2024)
        https://arxiv.org/abs/2404.09732
    """
    height, width = image.shape[:2]
    if flag("restore", restore):
        if scale is not None:
            raise UserError("scale and restore exclude each other: give one of them")
        height, width = original or (height, width)
    else:
        if scale is None:
            scale = 1 / float(generator.uniform(0.5, 1.4))
        scale = number("scale", scale, generator, allowed=(0.05, 4), drawn=(1, 1))
        height, width = max(1, int(height * scale)), max(1, int(width * scale))
        began = original or image.shape[:2]
        limit = min(MAX_PIXELS, MAX_GROWTH * began[0] * began[1])
        if height * width > limit:
            raise UserError(f"{width}x{height} pixels are more than the limit of {limit}: give a smaller scale")
    method = choice("interpolation", interpolation, generator, allowed=tuple(INTERPOLATIONS))
    return cv2.resize(image, (width, height), interpolation=INTERPOLATIONS[method])
