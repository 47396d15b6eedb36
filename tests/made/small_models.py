"""Networks small enough for tests: the architectures of the recipes' demo presets."""

from __future__ import annotations

from typing import Any

import torch

from models.networks import NETWORKS
from models.recipes import RECIPES
from models.training.recipe import load_recipe

CLIP: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}
ADAPTED: dict[str, dict[str, Any]] = {
    # Tests of training fit these in a few steps.
    "nafnet": {"width": 8, "encoder_blocks": (1, 2), "decoder_blocks": (1, 1)},
    "enlightengan": {"width": 16},
    "nafnet-degradation": {"width": 32, "embedding_dim": 64, "prompt_dim": 16},
    "nafnet-daclip": {"width": 32, "embedding_dim": 64, "prompt_dim": 16},
    "ir-sde": {"width": 32, "multipliers": (1, 2)},
    "ir-sde-daclip": {"width": 32, "multipliers": (1, 2), "content_dim": 64, "degradation_dim": 64},
    # At half resolution a tiny image is one pixel, and a group norm needs more than one value a group.
    "wild-ir": {"width": 32, "multipliers": (2, 2), "content_dim": 64},
    # The bottlenecks of its attention have an eighth of the channels: of one or two, all may be dead.
    "mirnet": {"width": 32},
    "nafnet-local": {"train_size": 16},
    # With its demo's channels, rounding grows beyond what a batch may differ by.
    "deblurganv2-mobilenet": {"pyramid": 16, "width": 8, "slim": 8},
}
"""What differs from a demo preset: what the embeddings of `CLIP` ask for, and what laws on tiny images need."""


def small_arch(name: str) -> dict[str, Any]:
    """Return the arguments of a small network; none where it has no recipe, as what needs no training has none."""
    demo = load_recipe(name, preset="demo").arch if name in RECIPES else {}
    arch = {key: tuple(value) if isinstance(value, list) else value for key, value in demo.items()}
    return arch | ADAPTED.get(name, {})


ARCHS: dict[str, dict[str, Any]] = {name: small_arch(name) for name in NETWORKS}
WITHOUT_WEIGHTS = [name for name in NETWORKS if name not in RECIPES]


@torch.no_grad()
def shake(module: torch.nn.Module, *, seed: int = 0, amount: float = 0.05) -> torch.nn.Module:
    """Add noise to every trainable parameter, so that nothing is at a zero of its initialisation."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter += amount * torch.randn(parameter.shape, generator=generator)
    return module
