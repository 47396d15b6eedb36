"""CLAHE: the lightness of every region is spread over the scale, with limited contrast."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from models.networks.classical.images import image_by_image


class Clahe(nn.Module):
    """Contrast-limited adaptive histogram equalisation of OpenCV, on the lightness of CIELAB (in 256 steps).

    Arguments:
        limit: How much the contrast may grow.
        regions: Regions along each side.

    References:
        Contrast limited adaptive histogram equalization (Zuiderveld, 1994) https://doi.org/10.1016/B978-0-12-336156-1.50061-6
    """

    multiple_of = 1

    def __init__(self, *, limit: float = 8.0, regions: int = 8) -> None:
        super().__init__()
        self.limit, self.regions = limit, regions

    def restore_image(self, image: np.ndarray) -> np.ndarray:
        """Brighten one image with shape `(H, W, 3)`."""
        import cv2

        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        lightness = np.rint(lab[..., 0] * 2.55).astype(np.uint8)
        clahe = cv2.createCLAHE(clipLimit=self.limit, tileGridSize=(self.regions, self.regions))
        spread = clahe.apply(lightness).astype(np.float32)
        lab[..., 0] = spread / 2.55
        # Colours are as far from grey as before, relative to the lightness.
        lab[..., 1:] *= (np.maximum(spread, 1) / np.maximum(lightness, 1))[..., None]
        return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)

    def forward(self, degraded: Tensor) -> Tensor:
        """Brighten images with shape `(B, 3, H, W)`, in [0, 1]."""
        return image_by_image(self.restore_image, degraded)
