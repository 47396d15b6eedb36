"""Non-local means: every pixel becomes the mean of pixels whose surroundings look alike."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from models.networks.classical.images import image_by_image, noise_level


class NonLocalMeans(nn.Module):
    """Non-local means of scikit-image; the strength follows from the noise that is found in the image.

    Arguments:
        strength: Factor on the noise level; it gives the width of the weights.
        patch: Side of the surroundings that are compared, in pixels.
        distance: How far similar pixels are looked for, in pixels.

    References:
        A non-local algorithm for image denoising (Buades, Coll & Morel, 2005) https://doi.org/10.1109/CVPR.2005.38
    """

    multiple_of = 1

    def __init__(self, *, strength: float = 0.6, patch: int = 5, distance: int = 6) -> None:
        super().__init__()
        self.strength, self.patch, self.distance = strength, patch, distance

    def restore_image(self, image: np.ndarray) -> np.ndarray:
        """Denoise one image with shape `(H, W, 3)`."""
        from skimage.restoration import denoise_nl_means

        sigma = noise_level(image)
        if sigma == 0 or min(image.shape[:2]) < self.patch:
            return image
        return denoise_nl_means(
            image,
            patch_size=self.patch,
            patch_distance=self.distance,
            h=self.strength * sigma,
            sigma=sigma,
            fast_mode=True,
            channel_axis=2,
        )

    def forward(self, degraded: Tensor) -> Tensor:
        """Denoise images with shape `(B, 3, H, W)`, in [0, 1]."""
        return image_by_image(self.restore_image, degraded)
