"""The optimiser of a recipe, over the named groups of a task's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from models.errors import UserError, close_match
from models.training.recipe import Recipe
from models.training.settings import Group, Optimizer

KINDS: dict[str, type[torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
FUSED = ("adamw", "adam", "sgd")
"""Those that torch has as one kernel, on CPU, CUDA and MPS."""


def make_optimizer(
    recipe: Recipe, parameters: nn.Module | Mapping[str, Sequence[nn.Parameter]]
) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe.

    Each of its groups has a `top_lr`, where its schedule starts from. With `decay: matrices` gains, biases and scalars
    (fewer than two dimensions) are not decayed.

    Arguments:
        recipe: Its `optimizer` says what to make.
        parameters: By group (see `named_groups`); of a module, the trainable ones are the group "network".

    Raises:
        UserError: The recipe has settings for a group that the task does not have, or nothing is trainable.
    """
    if isinstance(parameters, nn.Module):
        parameters = {"network": [p for p in parameters.parameters() if p.requires_grad]}
    settings = recipe.optimizer
    for name in settings.groups:
        if name not in parameters:
            hint = close_match(name, parameters)
            raise UserError(
                f"recipe {recipe.name} has no group optimizer.groups.{name}{hint} (known: {', '.join(parameters)})"
            )
    everything = [p for members in parameters.values() for p in members]
    if not everything:
        raise UserError(f"recipe {recipe.name}: there is nothing to train, this network has no weights")
    groups: list[dict[str, Any]] = []
    for name, members in parameters.items():
        own = settings.groups.get(name, Group())
        decay = settings.weight_decay if own.weight_decay is None else own.weight_decay
        shared: dict[str, Any] = {"lr": own.lr or settings.lr, "top_lr": own.lr or settings.lr}
        if "betas" in _options(settings):
            shared["betas"] = own.betas or settings.betas
        # Scalars by themselves: they are whole where all others are shared out, and one kernel takes only one kind.
        for ranks in (range(2, 99), range(1, 2), range(1)):
            spared = settings.decay == "matrices" and 2 not in ranks
            same = [p for p in members if p.ndim in ranks]
            groups.append({"params": same, "weight_decay": 0.0 if spared else decay, **shared})
    fused = _fused(recipe, everything[0].device)
    extra = {"fused": True} if fused else {}
    kind: Any = KINDS[settings.kind]
    return kind([group for group in groups if group["params"]], lr=settings.lr, **_options(settings), **extra)


def _options(settings: Optimizer) -> dict[str, Any]:
    if settings.kind == "sgd":
        return {"momentum": settings.momentum, "nesterov": settings.nesterov}
    if settings.kind == "rmsprop":
        return {"momentum": settings.momentum, "eps": settings.eps}
    return {"betas": settings.betas, "eps": settings.eps}


def _fused(recipe: Recipe, device: torch.device) -> bool:
    settings = recipe.optimizer
    # A fused step takes the loss scale off by itself, so nothing can be clipped before it.
    scaled = recipe.precision == "fp16" and (recipe.clip_norm or recipe.clip_value)
    if settings.fused and settings.kind not in FUSED:
        raise UserError(f"recipe {recipe.name}: {settings.kind} has no fused kernel: only {', '.join(FUSED)} have")
    if settings.fused and scaled:
        raise UserError(f"recipe {recipe.name}: a fused optimiser cannot clip in fp16: use bf16 or fused=false")
    if settings.fused is not None:
        return settings.fused
    return device.type == "cuda" and settings.kind in FUSED and not scaled
