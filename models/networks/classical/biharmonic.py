"""Biharmonic inpainting: white holes are filled as smoothly as their borders allow."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from models.networks.classical.images import image_by_image

# White to within half a grey level, in all three channels.
WHITE = 1 - 0.5 / 255


class Biharmonic(nn.Module):
    """Biharmonic inpainting of scikit-image; the holes are the pixels that are exactly white.

    White parts of the picture itself are taken for holes too.

    References:
        Inpainting by flexible Haar-wavelet shrinkage (Chan, Shen & Shen, 2006) https://doi.org/10.1137/07071414X
        On surface completion and image inpainting by biharmonic functions (Damelin & Hoang, 2018)
        https://doi.org/10.1155/2018/3950312
    """

    multiple_of = 1

    def restore_image(self, image: np.ndarray) -> np.ndarray:
        """Fill the holes of one image with shape `(H, W, 3)`."""
        from skimage.restoration import inpaint_biharmonic

        holes = (image >= WHITE).all(axis=2)
        # Nothing is known of an image that is white altogether.
        if not holes.any() or holes.all() or min(image.shape[:2]) < 2:
            return image
        return inpaint_biharmonic(image, holes, split_into_regions=True, channel_axis=2)

    def forward(self, degraded: Tensor) -> Tensor:
        """Fill the holes of images with shape `(B, 3, H, W)`, in [0, 1]."""
        return image_by_image(self.restore_image, degraded)
