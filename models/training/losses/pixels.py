"""Distances between images, pixel by pixel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-3
"""Of the Charbonnier loss, in every paper that is trained with it here."""

LUMA = (0.299, 0.587, 0.114)


def l1(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean absolute difference."""
    return functional.l1_loss(restored, clean)


def mse(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared difference."""
    return functional.mse_loss(restored, clean)


def smooth_l1(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean of half the squared difference where that is below 1, and of the difference less 0.5 elsewhere.

    References:
        Fast R-CNN (Girshick, 2015) https://arxiv.org/abs/1504.08083
    """
    return functional.smooth_l1_loss(restored, clean)


def charbonnier(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean of `sqrt(difference^2 + 0.001^2)`, which is 0.001 for equal images.

    References:
        Two deterministic half-quadratic regularization algorithms for computed imaging (Charbonnier et al., 1994)
            https://doi.org/10.1109/ICIP.1994.413553
    """
    return torch.sqrt((restored - clean).square() + EPSILON**2).mean()


def luminance(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared difference of the luminance (ITU-R BT.601) of RGB images, for networks that see no other.

    References:
        Deep Joint Rain Detection and Removal from a Single Image (Yang et al., 2017) https://arxiv.org/abs/1609.07769
    """
    weights = restored.new_tensor(LUMA).view(3, 1, 1)
    return ((restored - clean) * weights).sum(dim=1).square().mean()


def psnr(restored: Tensor, clean: Tensor) -> Tensor:
    """Return minus the mean PSNR in dB, the loss of NAFNet.

    References:
        Simple Baselines for Image Restoration (Chen et al., 2022) https://arxiv.org/abs/2204.04676
    """
    error = (restored - clean).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(error + 1e-8).mean()
