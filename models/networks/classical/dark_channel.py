"""The dark channel prior: haze is what keeps the darkest channel of a neighbourhood from being dark."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from models.networks.classical.images import image_by_image

# Share of the pixels with the brightest dark channel from which the light of the air is taken.
BRIGHTEST = 0.001


class DarkChannel(nn.Module):
    """Dehazing with the dark channel prior, the transmission refined by a guided filter.

    Arguments:
        patch: Side of the neighbourhoods, in pixels.
        kept: Share of the haze that is removed; a little is left so that distance stays visible.
        least: Smallest transmission.
        radius: Of the guided filter, in pixels.
        smoothness: Of the guided filter: the variance below which the guide counts as flat.

    References:
        Single image haze removal using dark channel prior (He, Sun & Tang, 2009)
        https://doi.org/10.1109/CVPR.2009.5206515
        Guided image filtering (He, Sun & Tang, 2010) https://doi.org/10.1007/978-3-642-15549-9_1
    """

    multiple_of = 1

    def __init__(
        self,
        *,
        patch: int = 15,
        kept: float = 0.95,
        least: float = 0.1,
        radius: int = 60,
        smoothness: float = 1e-4,
    ) -> None:
        super().__init__()
        self.patch, self.kept, self.least = patch, kept, least
        self.radius, self.smoothness = radius, smoothness

    def restore_image(self, image: np.ndarray) -> np.ndarray:
        """Remove the haze from one image with shape `(H, W, 3)`."""
        air = np.maximum(air_light(image, dark_channel(image, self.patch)), 1e-3)
        transmission = 1 - self.kept * dark_channel(image / air, self.patch)
        guide = image @ np.array((0.299, 0.587, 0.114), np.float32)
        transmission = guided_filter(guide, transmission, radius=self.radius, smoothness=self.smoothness)
        return (image - air) / np.maximum(transmission, self.least)[..., None] + air

    def forward(self, degraded: Tensor) -> Tensor:
        """Remove the haze from images with shape `(B, 3, H, W)`, in [0, 1]."""
        return image_by_image(self.restore_image, degraded)


def dark_channel(image: np.ndarray, patch: int) -> np.ndarray:
    """Return the smallest value of any channel within a `patch` x `patch` neighbourhood, with shape `(H, W)`."""
    import cv2

    return cv2.erode(image.min(axis=2).astype(np.float32), np.ones((patch, patch), np.uint8))


def air_light(image: np.ndarray, dark: np.ndarray) -> np.ndarray:
    """Return the colour of the air: of the brightest pixel among those whose dark channel is brightest."""
    count = max(1, int(BRIGHTEST * dark.size))
    haziest = image.reshape(-1, 3)[np.argsort(dark.ravel(), kind="stable")[-count:]]
    return haziest[np.argmax(haziest.sum(axis=1))]


def guided_filter(guide: np.ndarray, image: np.ndarray, *, radius: int, smoothness: float) -> np.ndarray:
    """Smooth an image along the edges of a guide.

    Arguments:
        guide: With shape `(H, W)`.
        image: With shape `(H, W)`.
        radius: Of the windows, in pixels.
        smoothness: Variance of the guide below which a window is averaged.
    """
    import cv2

    def mean(values: np.ndarray) -> np.ndarray:
        side = 2 * radius + 1
        return cv2.boxFilter(values, cv2.CV_64F, (side, side), borderType=cv2.BORDER_REFLECT)

    first, second = mean(guide), mean(image)
    slope = (mean(guide * image) - first * second) / (mean(guide * guide) - first * first + smoothness)
    offset = second - slope * first
    return (mean(slope) * guide + mean(offset)).astype(np.float32)
