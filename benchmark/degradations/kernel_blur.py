"""Blur by a kernel of one of ten kinds, the building block of the follow-up paper's random pipeline."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.degradations.kernels.kinds import Kernel


def kernel_blur(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    kind: str = "iso",
    size: int | None = None,
    sigma_x: float | None = None,
    sigma_y: float | None = None,
    angle: float | None = None,
    beta: float | None = None,
    jitter: float | None = None,
    file: str | None = None,
    index: int | None = None,
) -> np.ndarray:
    """Filter the image with a kernel; borders are mirrored.

    Arguments:
        image: Image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        kind: `iso`, `aniso`, `generalized-iso`, `generalized-aniso`, `plateau-iso`, `plateau-aniso` (Gaussians and
            relatives), `defocus` (a disc), `box`, `line` (uniform motion) or `psf` (measured, from `file`).
        size: Side of the kernel in pixels; see `Kernel` for this and all others.
        sigma_x: Standard deviation along the first axis in pixels.
        sigma_y: Standard deviation along the second axis in pixels; only the `aniso` kinds have it.
        angle: Turn of the axes from x (right) towards y (down), only `aniso`; for `line` its direction,
            counter-clockwise from the horizontal. In degrees.
        beta: Shape of the generalised Gaussians and plateaus.
        jitter: Relative noise on the elements of the kernel.
        file: `.npz` or `.npy` file of measured kernels, only `psf`.
        index: Which of them.

    Returns:
        The blurred image, same shape and type.

    Raises:
        UserError: A parameter is out of range, or the kind does not have it.

    References:
        Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models (Luo et al., 2024)
        https://arxiv.org/abs/2404.09732
        Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data (Wang et al., 2021)
        https://arxiv.org/abs/2107.10833
    """
    kernel = Kernel(
        kind=kind,
        size=size,
        sigma_x=sigma_x,
        sigma_y=sigma_y,
        angle=angle,
        beta=beta,
        jitter=jitter,
        file=file,
        index=index,
    )
    return filtered(image, kernel.complete(generator).array(generator))


def filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlate an image with a kernel (a point reflection apart from convolution, the same for symmetric kernels)."""
    return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
