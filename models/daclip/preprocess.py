"""Images to what CLIP's image towers take: the published way for single images, a fast way for batches."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def _resized(height: int, width: int, size: int) -> tuple[int, int]:
    """Return the height and width at which the shorter side is `size`; the longer one is rounded down."""
    if height <= width:
        return size, max(size, int(size * width / height))
    return max(size, int(size * height / width)), size


def _corner(height: int, width: int, size: int) -> tuple[int, int]:
    """Return top and left of the centred square of side `size`."""
    return round((height - size) / 2), round((width - size) / 2)


def normalise(image: Tensor) -> Tensor:
    """Subtract CLIP's mean and divide by its deviation; shape `(..., 3, H, W)`, in [0, 1]."""
    mean = torch.tensor(MEAN, dtype=image.dtype, device=image.device)[:, None, None]
    std = torch.tensor(STD, dtype=image.dtype, device=image.device)[:, None, None]
    return (image - mean) / std


def preprocess(pixels: np.ndarray, *, size: int) -> Tensor:
    """Prepare one 8-bit image exactly as the published code does.

    The shorter side is resized to `size` by Pillow's bicubic filter, the centre square is cut out, and the values are
    normalised. What lies outside of the square is not seen.

    Arguments:
        pixels: An image with shape `(H, W, 3)`, uint8, RGB.
        size: Side S of the result.

    Returns:
        A tensor with shape `(3, S, S)`.
    """
    height, width = pixels.shape[:2]
    new_height, new_width = _resized(height, width, size)
    if (new_height, new_width) != (height, width):
        pixels = np.asarray(Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BICUBIC))
    top, left = _corner(new_height, new_width, size)
    square = np.ascontiguousarray(pixels[top : top + size, left : left + size].transpose(2, 0, 1))
    return normalise(torch.from_numpy(square).float() / 255)


def to_8bit(batch: Tensor) -> Tensor:
    """Turn images in [0, 1] into uint8 by truncation, as the published code does; exact for images read from 8 bits."""
    return (batch.clamp(0, 1) * 255).to(torch.uint8)


def preprocess_images(batch: Tensor, *, size: int) -> Tensor:
    """Prepare float images one by one as `preprocess` does, after truncation to 8 bits.

    Arguments:
        batch: Images with shape `(B, 3, H, W)`, in [0, 1].
        size: Side S of the result.

    Returns:
        A tensor with shape `(B, 3, S, S)` on the batch's device.
    """
    arrays = to_8bit(batch).permute(0, 2, 3, 1).cpu().numpy()
    return torch.stack([preprocess(np.ascontiguousarray(a), size=size) for a in arrays]).to(batch.device)


def preprocess_batch(batch: Tensor, *, size: int) -> Tensor:
    """Prepare a training batch on its own device.

    The same steps as `preprocess_images`, but with torch's antialiased bicubic filter, which computes in float where
    Pillow uses fixed-point weights: single values differ by one 8-bit level. Images that need no resizing are prepared
    identically.

    Arguments:
        batch: Images with shape `(B, 3, H, W)`, in [0, 1].
        size: Side S of the result.

    Returns:
        A tensor with shape `(B, 3, S, S)`.
    """
    pixels = to_8bit(batch).float()
    height, width = _resized(batch.shape[2], batch.shape[3], size)
    for target in ((batch.shape[2], width), (height, width)):
        if target != tuple(pixels.shape[2:]):
            # Columns first, then rows, each rounded and clipped to 8 bits, as Pillow does it.
            pixels = F.interpolate(pixels, target, mode="bicubic", antialias=True, align_corners=False)
            pixels = pixels.clamp(0, 255).round()
    top, left = _corner(height, width, size)
    return normalise(pixels[..., top : top + size, left : left + size] / 255)
