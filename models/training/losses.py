"""Distances between a restored and a clean image, as training losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import UserError, close_match


def l1(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean absolute difference."""
    return functional.l1_loss(restored, clean)


def mse(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared difference."""
    return functional.mse_loss(restored, clean)


def psnr(restored: Tensor, clean: Tensor) -> Tensor:
    """Return minus the mean PSNR in dB, the loss of NAFNet.

    References:
        Simple Baselines for Image Restoration (Chen et al., 2022) https://arxiv.org/abs/2204.04676
    """
    error = (restored - clean).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(error + 1e-8).mean()


RESTORATION_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "mse": mse, "psnr": psnr}


def restoration_loss(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss called `name`, taking two batches with shape `(B, C, H, W)`.

    Raises:
        UserError: There is no such restoration loss.
    """
    if name not in RESTORATION_LOSSES:
        raise UserError(f"no restoration loss {name!r}{close_match(name, RESTORATION_LOSSES)}")
    return RESTORATION_LOSSES[name]
