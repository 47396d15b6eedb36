"""Checkpoints as the authors' training writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from small_models import CLIP

from models.daclip.build import build_daclip
from models.daclip.controller import DaClip

# Heads of 64, as in the published CLIPs: a checkpoint does not say how wide they are.
PUBLISHED_HEADS: dict[str, Any] = {
    **CLIP,
    "vision_cfg": {**CLIP["vision_cfg"], "head_width": 64},
    "text_cfg": {**CLIP["text_cfg"], "heads": 1},
}


def trained_daclip(clip: str | dict[str, Any], *, seed: int = 0) -> tuple[DaClip, torch.optim.AdamW]:
    """Return a DA-CLIP after one real step of AdamW, and the optimiser with its moments."""
    torch.manual_seed(seed)
    daclip = build_daclip(clip=clip, pretrained=None)
    parameters = [p for p in daclip.parameters() if p.requires_grad]
    # As the authors' scheduler does, the learning rate is a numpy number.
    optimizer = torch.optim.AdamW(parameters, lr=np.float64(3e-5), betas=(0.9, 0.98), eps=1e-6, weight_decay=0.05)  # pyright: ignore[reportArgumentType]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return daclip.eval(), optimizer


def write_training_checkpoint(
    path: Path, daclip: DaClip, optimizer: torch.optim.Optimizer, *, prefix: str = "module."
) -> Path:
    """Write what the authors' training saves after an epoch."""
    checkpoint = {
        "epoch": 50,
        "name": "daclip_ViT-B-32_b784x4",
        "state_dict": {prefix + key: value for key, value in daclip.state_dict().items()},
        "optimizer": optimizer.state_dict(),
        "scaler": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 12},
    }
    torch.save(checkpoint, path)
    return path
