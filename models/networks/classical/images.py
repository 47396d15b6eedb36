"""Functions of one numpy image as functions of a batch, and what several methods want to know about an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# The median of absolute values of a standard normal variable.
MEDIAN_OF_NORMAL = 0.6745


def image_by_image(restore: Callable[[np.ndarray], np.ndarray], batch: Tensor) -> Tensor:
    """Apply a function of one image to each of a batch, on the CPU.

    Arguments:
        restore: Takes and returns an image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        batch: Images with shape `(B, 3, H, W)`, in [0, 1].

    Returns:
        The restored images with the same shape, on the same device, in [0, 1].
    """
    arrays = batch.detach().to("cpu", torch.float32).permute(0, 2, 3, 1).numpy()
    restored = np.stack([np.clip(restore(np.ascontiguousarray(image)), 0, 1) for image in arrays])
    return torch.from_numpy(restored.astype(np.float32)).permute(0, 3, 1, 2).contiguous().to(batch.device)


def noise_level(image: np.ndarray) -> float:
    """Estimate the standard deviation of the noise of an image from the finest diagonal details of its Haar transform.

    Arguments:
        image: With shape `(H, W, 3)`.

    References:
        Ideal spatial adaptation by wavelet shrinkage (Donoho & Johnstone, 1994) https://doi.org/10.1093/biomet/81.3.425
    """
    height, width = (size // 2 * 2 for size in image.shape[:2])
    if min(height, width) == 0:
        return 0.0
    even = image[:height, :width]
    diagonal = even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]
    return float(np.median(np.abs(diagonal)) / 2 / MEDIAN_OF_NORMAL)
