"""Architectures small enough for tests."""

from __future__ import annotations

from typing import Any

import archs_all_in_one
import archs_baselines
import archs_blur
import archs_general
import archs_haze
import archs_low_light
import archs_rain
import torch

CLIP: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
NAFNET = {"width": 8, "encoder_blocks": (1, 2), "middle_blocks": 1, "decoder_blocks": (1, 1)}
CONDITIONAL = {**NAFNET, "width": 32, "embedding_dim": 64, "prompt_dim": 16}
UNET = {"width": 32, "multipliers": (1, 2)}
ARCHS: dict[str, dict[str, object]] = {
    **archs_baselines.ARCHS,
    "nafnet": NAFNET,
    "nafnet-degradation": CONDITIONAL,
    "nafnet-daclip": CONDITIONAL,
    "ir-sde": UNET,
    "refusion": NAFNET,
    "ir-sde-daclip": {**UNET, "content_dim": 64, "degradation_dim": 64},
    # At half resolution a tiny image is one pixel, and a group norm needs more than one value a group.
    "wild-ir": {**UNET, "multipliers": (2, 2), "content_dim": 64},
    **archs_rain.ARCHS,
    **archs_low_light.ARCHS,
    **archs_blur.ARCHS,
    **archs_haze.ARCHS,
    **archs_general.ARCHS,
    **archs_all_in_one.ARCHS,
}


@torch.no_grad()
def shake(module: torch.nn.Module, *, seed: int = 0, amount: float = 0.05) -> torch.nn.Module:
    """Add noise to every trainable parameter, so that nothing is at a zero of its initialisation."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter += amount * torch.randn(parameter.shape, generator=generator)
    return module
