"""Under-display camera: the pixels of a display before the lens diffract the light into flares and haze."""

from __future__ import annotations

import numpy as np

from benchmark.degradations.deconvolve import centred
from benchmark.degradations.kernels.stored import stored_kernels
from benchmark.degradations.specs.parameters import integer, number


def under_display(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    file: str | None = None,
    index: int | None = None,
    blend: float | None = None,
) -> np.ndarray:
    """Filter each channel with its point spread function and mix the result with the image.

    The functions are used as they are in the file (a plane that sums to 1 keeps the brightness), are cut or padded to
    the size of the image, and act with its period, as in the official code. That code moves functions of odd size by a
    pixel on images of even size; here the centre stays the centre. It rounds the result too, but then drops what it
    rounded.

    Arguments:
        image: Image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Source of randomness.
        file: `.npz` or `.npy` file of point spread functions with shape `(H, W, 3)`, RGB.
        index: Which of them, from 0; drawn from all.
        blend: Share of the filtered image in the mix, 0 to 1; drawn from 0.1 to 0.5.

    Returns:
        The mixed image, same shape and type.

    Raises:
        UserError: There is no file, it holds no such functions, or a parameter is out of range.

    References:
        Removing Diffraction Image Artifacts in Under-Display Camera via Dynamic Skip Connection Network
        (Feng et al., 2021)
        https://arxiv.org/abs/2104.09556
    """
    kernels = stored_kernels(file, channels=True)
    last = len(kernels) - 1
    index = integer("index", index, generator, allowed=(0, last), drawn=(0, last))
    blend = number("blend", blend, generator, allowed=(0, 1), drawn=(0.1, 0.5))
    size = image.shape[:2]
    response = np.fft.rfft2(centred(kernels[index], size), axes=(0, 1))
    spread = np.fft.irfft2(np.fft.rfft2(image.astype(np.float64), axes=(0, 1)) * response, s=size, axes=(0, 1))
    return np.float32(blend) * spread.astype(np.float32) + np.float32(1 - blend) * image
