"""How well a network in training restores a validation batch."""

from __future__ import annotations

import torch
from torch import Tensor

from models.inference.restorer import Restorer
from models.networks.padding import pad
from models.training.tasks.contract import Batch, Scores


def image_psnr(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the PSNR in dB of each image, with shape `(B,)`, after rounding to 8 bits.

    A guide for training: crops, all channels, no border cut. Tables are made by `bench eval` under a protocol.

    Arguments:
        restored: Images with shape `(B, C, H, W)`; they are clamped to [0, 1].
        clean: Images with the same shape, in [0, 1].
    """
    difference = (restored.clamp(0, 1) * 255).round() - (clean * 255).round()
    error = difference.double().square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return 10 * torch.log10(255**2 / error)


def restoration_scores(restorer: Restorer, batch: Batch) -> Scores:
    """Restore a batch `{"degraded", "clean"}` and return the PSNR of each image, with the restored images."""
    degraded, clean = batch["degraded"], batch["clean"]
    height, width = degraded.shape[-2:]
    padded, top, left = pad(degraded, restorer.padding)
    restored = restorer(padded)[..., top : top + height, left : left + width].float()
    return Scores({"psnr": image_psnr(restored, clean)}, restored.clamp(0, 1))
