"""Sinc filter: an ideal low-pass with a sharp cut-off, which rings at edges as sharpening and resampling do."""

from __future__ import annotations

import math

import numpy as np

from benchmark.degradations.kernel_blur import filtered
from benchmark.degradations.kernels.shapes import sinc_kernel
from benchmark.degradations.specs.parameters import number, side


def sinc(
    image: np.ndarray, generator: np.random.Generator, *, size: int | None = None, cutoff: float | None = None
) -> np.ndarray:
    """Remove the spatial frequencies above a cut-off.

    Arguments:
        image: Image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        size: Side of the kernel in pixels, odd, 3 to 99; drawn from 5 to 19.
        cutoff: Cut-off frequency in radians per pixel, 0.05 to pi; drawn from pi / 3 to pi for kernels smaller than 13
            pixels and from pi / 5 to pi for others.

    Returns:
        The filtered image, same shape and type; at edges it leaves [0, 1] a little.

    Raises:
        UserError: A parameter is out of range.

    References:
        Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data (Wang et al., 2021)
        https://arxiv.org/abs/2107.10833
    """
    size = side("size", size, generator)
    cutoff = number("cutoff", cutoff, generator, allowed=(0.05, math.pi), drawn=cutoffs(size))
    return filtered(image, sinc_kernel(size=size, cutoff=cutoff))


def cutoffs(size: int) -> tuple[float, float]:
    """Return the interval from which the follow-up paper draws the cut-off for a kernel of this side."""
    return (math.pi / 3 if size < 13 else math.pi / 5, math.pi)
