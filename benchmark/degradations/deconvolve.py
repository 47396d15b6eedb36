"""Deconvolution: blur, then a Wiener filter that undoes it imperfectly, as the sharpening inside cameras does."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.kernel_blur import filtered
from benchmark.degradations.kernels.kinds import Kernel
from benchmark.degradations.specs.parameters import number

MARGIN = 20  # pixels mirrored around the image, so that the filter's period does not show at the border


def deconvolve(
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
    nsr: float = 0.006,
    blend: float = 0.0,
) -> np.ndarray:
    """Blur the image with a kernel and sharpen it with the Wiener filter of the same kernel.

    Arguments:
        image: Image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        kind: Kind of kernel; this and the next eight are those of `kernel_blur`, but a missing size is 5 or 7.
        size: Side of the kernel in pixels.
        sigma_x: Standard deviation along the first axis in pixels.
        sigma_y: Standard deviation along the second axis in pixels.
        angle: Turn of the axes or direction of the line in degrees.
        beta: Shape of the generalised Gaussians and plateaus.
        jitter: Relative noise on the elements of the kernel.
        file: File of measured kernels.
        index: Which of them.
        nsr: Ratio of noise to signal power that the Wiener filter expects, 0.0001 to 10.
        blend: Share of the blurred image that is mixed in again, 0 to 1.

    Returns:
        The image with ringing, same shape and type; at edges it leaves [0, 1] a little.

    Raises:
        UserError: A parameter is out of range, or the kind does not have it.

    References:
        Extrapolation, Interpolation, and Smoothing of Stationary Time Series (Wiener, 1949)
        https://doi.org/10.7551/mitpress/2946.001.0001
        Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models (Luo et al., 2024)
        https://arxiv.org/abs/2404.09732
    """
    nsr = number("nsr", nsr, generator, allowed=(1e-4, 10), drawn=(0.006, 0.006))
    blend = number("blend", blend, generator, allowed=(0, 1), drawn=(0, 0))
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
    array = kernel.complete(generator, largest=7).array(generator)
    blurred = filtered(image, array)
    sharpened = wiener(blurred, array, nsr=nsr)
    return np.float32(blend) * blurred + np.float32(1 - blend) * sharpened if blend else sharpened


def wiener(image: np.ndarray, kernel: np.ndarray, *, nsr: float) -> np.ndarray:
    """Deconvolve with the Wiener filter K* / (|K|^2 + nsr), K the transform of the kernel.

    Arguments:
        image: Blurred image with shape `(H, W, C)`, float32.
        kernel: Kernel with shape `(K, K)`, K odd, summing to 1.
        nsr: Ratio of noise to signal power.

    Returns:
        The sharpened image, same shape, float32.
    """
    padded = np.pad(image.astype(np.float64), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
    spectrum = np.fft.rfft2(centred(kernel, padded.shape[:2]))[..., None]
    inverse = np.conj(spectrum) / (np.abs(spectrum) ** 2 + nsr)
    sharpened = np.fft.irfft2(np.fft.rfft2(padded, axes=(0, 1)) * inverse, s=padded.shape[:2], axes=(0, 1))
    return sharpened[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float32)


def centred(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a kernel cut or padded with zeros to `shape` (its first two axes) with its centre moved to element (0, 0).

    Arguments:
        kernel: Kernel with shape `(H, W, ...)` and centre (H // 2, W // 2).
        shape: Height and width of the result.
    """
    result = np.zeros((*shape, *kernel.shape[2:]))
    rows, columns = (np.arange(side) - side // 2 for side in kernel.shape[:2])
    # A period holds the offsets -n // 2 ... of one half to those of the other; what lies outside is cut off.
    keep_rows = rows[(rows >= -(shape[0] // 2)) & (rows < shape[0] - shape[0] // 2)]
    keep_columns = columns[(columns >= -(shape[1] // 2)) & (columns < shape[1] - shape[1] // 2)]
    cut = kernel[np.ix_(keep_rows + kernel.shape[0] // 2, keep_columns + kernel.shape[1] // 2)]
    result[np.ix_(keep_rows, keep_columns)] = cut
    return result
