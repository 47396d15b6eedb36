"""Total variation: an image near the degraded one that varies as little as can be."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from models.networks.classical.images import image_by_image, noise_level


class TotalVariation(nn.Module):
    """Chambolle's algorithm of scikit-image; the weight follows from the noise that is found in the image.

    Arguments:
        strength: Factor on the noise level; it gives the weight of the variation.
        steps: Largest number of iterations.

    References:
        An algorithm for total variation minimization and applications (Chambolle, 2004)
        https://doi.org/10.1023/B:JMIV.0000011325.36760.1e
    """

    multiple_of = 1

    def __init__(self, *, strength: float = 0.7, steps: int = 200) -> None:
        super().__init__()
        self.strength, self.steps = strength, steps

    def restore_image(self, image: np.ndarray) -> np.ndarray:
        """Denoise one image with shape `(H, W, 3)`."""
        from skimage.restoration import denoise_tv_chambolle

        sigma = noise_level(image)
        if sigma == 0:
            return image
        return denoise_tv_chambolle(image, weight=self.strength * sigma, max_num_iter=self.steps, channel_axis=2)

    def forward(self, degraded: Tensor) -> Tensor:
        """Denoise images with shape `(B, 3, H, W)`, in [0, 1]."""
        return image_by_image(self.restore_image, degraded)
