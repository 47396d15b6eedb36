"""Distances that look at more than a pixel: structure, edges, frequencies, slopes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.training.losses.pixels import charbonnier

WINDOW, SIGMA = 11, 1.5
BINOMIAL = (0.05, 0.25, 0.4, 0.25, 0.05)
"""The generating kernel of the Laplacian pyramid, with a = 0.4."""


def ssim(restored: Tensor, clean: Tensor) -> Tensor:
    """Return minus the mean SSIM, the loss of PReNet: -1 for equal images.

    Each channel is compared on its own in Gaussian windows of 11 x 11 pixels, which lie inside the image; variances are
    those of a population. Images smaller than a window are compared in one that fits.

    References:
        Image Quality Assessment: From Error Visibility to Structural Similarity (Wang et al., 2004)
            https://doi.org/10.1109/TIP.2003.819861
        Progressive Image Deraining Networks: A Better and Simpler Baseline (Ren et al., 2019)
            https://arxiv.org/abs/1901.09221
    """
    size = min(WINDOW, *restored.shape[-2:])
    places = torch.arange(size, dtype=restored.dtype, device=restored.device) - (size - 1) / 2
    bell = torch.exp(-places.square() / (2 * SIGMA**2))
    parts = torch.stack([restored, clean, restored.square(), clean.square(), restored * clean])
    mean_x, mean_y, xx, yy, xy = _windows(parts.flatten(0, 1), bell / bell.sum()).unflatten(0, parts.shape[:2])
    c1, c2 = 0.01**2, 0.03**2
    like = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    varying = xx - mean_x.square() + yy - mean_y.square() + c2
    return -(like * (2 * (xy - mean_x * mean_y) + c2) / varying).mean()


def edge(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the Charbonnier distance of the edges, as MPRNet has it.

    Edges are the finest level of the Laplacian pyramid: the image less its blurred, halved and doubled copy.

    References:
        Multi-Stage Progressive Image Restoration (Zamir et al., 2021) https://arxiv.org/abs/2102.02808
        The Laplacian Pyramid as a Compact Image Code (Burt and Adelson, 1983)
            https://doi.org/10.1109/TCOM.1983.1095851
    """
    return charbonnier(laplacian(restored), laplacian(clean))


def laplacian(image: Tensor) -> Tensor:
    """Return the finest level of the Laplacian pyramid of images with shape `(B, C, H, W)`."""
    kernel = image.new_tensor(BINOMIAL)
    kept = torch.zeros_like(image)
    # Of every second row and column; each stands for four pixels.
    kept[..., ::2, ::2] = 4 * _blurred(image, kernel)[..., ::2, ::2]
    return image - _blurred(kept, kernel)


def frequency(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean absolute difference of the real and imaginary parts of the discrete Fourier transforms.

    The transform is not normalised, so the loss grows with the size of the image.

    References:
        MAXIM: Multi-Axis MLP for Image Processing (Tu et al., 2022) https://arxiv.org/abs/2201.02973
        Rethinking Coarse-to-Fine Approach in Single Image Deblurring (Cho et al., 2021) https://arxiv.org/abs/2108.05054
    """
    return torch.view_as_real(torch.fft.fft2(restored - clean)).abs().mean()


def gradient(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared difference of the slopes along rows and along columns."""
    difference = restored - clean
    return difference.diff(dim=-1).square().mean() + difference.diff(dim=-2).square().mean()


def total_variation(image: Tensor) -> Tensor:
    """Return the mean absolute slope of images with shape `(B, C, H, W)` along rows plus that along columns."""
    return image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean()


def _windows(x: Tensor, kernel: Tensor) -> Tensor:
    """Weigh the surroundings of every pixel that has them, with a kernel for rows and columns."""
    channels, size = x.shape[1], len(kernel)
    rows = kernel.view(1, 1, size, 1).expand(channels, 1, size, 1)
    x = functional.conv2d(x, rows, groups=channels)
    return functional.conv2d(x, rows.transpose(2, 3), groups=channels)


def _blurred(image: Tensor, kernel: Tensor) -> Tensor:
    side = len(kernel) // 2
    return _windows(functional.pad(image, (side, side, side, side), mode="replicate"), kernel)
