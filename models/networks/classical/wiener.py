"""Wiener deconvolution: undoing a blur whose kernel is known, with as much noise as that allows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from models.errors import UserError
from models.networks.classical.images import image_by_image


def line_kernel(length: float, angle: float) -> np.ndarray:
    """Return the kernel of a straight, even motion, summing to 1.

    Arguments:
        length: In pixels, at least 1.
        angle: In degrees; 0 is along the rows, 90 upwards.
    """
    reach = math.ceil(length / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for step in np.linspace(-(length - 1) / 2, (length - 1) / 2, 16 * reach + 1):
        x, y = reach + step * math.cos(math.radians(angle)), reach - step * math.sin(math.radians(angle))
        column, row = int(x), int(y)
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (1 - abs(x - column - dx)) * (1 - abs(y - row - dy))
            if weight > 0:
                kernel[row + dy, column + dx] += weight
    return kernel / kernel.sum()


class Wiener(nn.Module):
    """Wiener deconvolution of scikit-image for a motion blur along a line that is known beforehand.

    It estimates no kernel: for a blur of another length or direction it makes things worse.

    Arguments:
        length: Of the motion, in pixels.
        angle: Of the motion, in degrees.
        balance: Weight of smoothness against sharpness; more for noisier images.

    Raises:
        UserError: The length is below 1.

    References:
        Extrapolation, interpolation, and smoothing of stationary time series (Wiener, 1949)
        https://doi.org/10.7551/mitpress/2946.001.0001
    """

    multiple_of = 1

    def __init__(self, *, length: float = 9.0, angle: float = 0.0, balance: float = 0.01) -> None:
        super().__init__()
        if length < 1:
            raise UserError(f"a motion blur is at least 1 pixel long (length={length})")
        self.balance = balance
        self.kernel = line_kernel(length, angle)

    def restore_image(self, image: np.ndarray) -> np.ndarray:
        """Sharpen one image with shape `(H, W, 3)`."""
        from skimage.restoration import wiener

        def sharpen(channel: np.ndarray) -> np.ndarray:
            return np.asarray(wiener(channel, self.kernel, self.balance, clip=False))

        return by_channel(sharpen, image, self.kernel)

    def forward(self, degraded: Tensor) -> Tensor:
        """Sharpen images with shape `(B, 3, H, W)`, in [0, 1]."""
        return image_by_image(self.restore_image, degraded)


class UnsupervisedWiener(nn.Module):
    """Wiener deconvolution that finds the balance by itself, by sampling; the kernel must be known all the same.

    The sampling starts from a fixed seed: the same image always comes out the same.

    Arguments:
        length: Of the motion, in pixels.
        angle: Of the motion, in degrees.

    Raises:
        UserError: The length is below 1.

    References:
        Bayesian estimation of regularization and point spread function parameters for Wiener-Hunt deconvolution
        (Orieux, Giovannelli & Rodet, 2010) https://doi.org/10.1364/JOSAA.27.001593
    """

    multiple_of = 1

    def __init__(self, *, length: float = 9.0, angle: float = 0.0) -> None:
        super().__init__()
        if length < 1:
            raise UserError(f"a motion blur is at least 1 pixel long (length={length})")
        self.kernel = line_kernel(length, angle)

    def restore_image(self, image: np.ndarray) -> np.ndarray:
        """Sharpen one image with shape `(H, W, 3)`."""
        from skimage.restoration import unsupervised_wiener

        def sharpen(channel: np.ndarray) -> np.ndarray:
            # Nothing can be estimated from a channel without contrast.
            if np.ptp(channel) < 1e-6:
                return channel
            return np.asarray(unsupervised_wiener(channel, self.kernel, clip=False, rng=0)[0])

        return by_channel(sharpen, image, self.kernel)

    def forward(self, degraded: Tensor) -> Tensor:
        """Sharpen images with shape `(B, 3, H, W)`, in [0, 1]."""
        return image_by_image(self.restore_image, degraded)


def by_channel(sharpen: Callable[[np.ndarray], np.ndarray], image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Apply a deconvolution to each channel; as it takes the image for periodic, it is given it with its mirror image.

    The mirror image of an oblique motion is another motion: then artefacts remain near the borders. Images smaller than
    the kernel are returned as they are.
    """
    height, width = image.shape[:2]
    if min(height, width) < kernel.shape[0]:
        return image
    mirrored = np.pad(image.astype(np.float64), ((0, height), (0, width), (0, 0)), mode="symmetric")
    return np.stack([sharpen(mirrored[..., channel]) for channel in range(3)], axis=2)[:height, :width]
