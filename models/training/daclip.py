"""Fitting DA-CLIP: content embeddings to captions, degradation embeddings to degradation words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from models.daclip.build import build_daclip
from models.daclip.loss import clamp_logit_scale, daclip_loss, degradation_loss_floor
from models.errors import UserError, close_match
from models.restorer import save_run_weights
from models.training.loop import Batch, Task
from models.training.recipe import Recipe

ARCH = ("clip", "pretrained")


class DaClipTask:
    """The controller learns; CLIP itself is frozen, though gradients flow through its image encoder.

    Arguments:
        recipe: What to do; its `arch` holds `clip` (a model name of open_clip or an inline configuration) and
            `pretrained` (a tag, a weights file, or null for random weights).

    Raises:
        UserError: The recipe's `arch` or loss is not of this kind, or the CLIP weights cannot be had.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.loss != "contrastive":
            raise UserError(f"recipe {recipe.name}: loss must be contrastive, got {recipe.loss!r}")
        for key in recipe.arch:
            if key not in ARCH:
                raise UserError(f"recipe {recipe.name}: unknown key arch.{key}{close_match(key, ARCH)}")
        self._recipe = recipe
        self.trainable = build_daclip(clip=recipe.arch.get("clip", ""), pretrained=recipe.arch.get("pretrained"))
        if self.trainable.image_size != recipe.patch_size:
            size = self.trainable.image_size
            raise UserError(f"recipe {recipe.name}: this CLIP takes {size}x{size} pixels, set patch_size={size}")

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the sum of the two terms for a batch `{"image", "text", "label"}`, and both beside their floor."""
        terms = daclip_loss(self.trainable(batch["image"], batch["text"]))
        numbers: dict[str, float | Tensor] = {
            "content": terms.content.detach(),
            "degradation": terms.degradation.detach(),
            "degradation_floor": degradation_loss_floor(batch["label"]),
        }
        return terms.total, numbers

    def after_step(self) -> None:
        """Keep the logit scale within its bounds."""
        clamp_logit_scale(self.trainable)

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """Write controller and CLIP."""
        save_run_weights(path, task="daclip", network="daclip", state=self.trainable, arch=self.trainable.arch, **facts)


def daclip_task(recipe: Recipe, *, daclip: Path | None = None) -> Task:
    """Make the task of a DA-CLIP recipe."""
    if daclip is not None:
        raise UserError("bench train daclip makes a DA-CLIP and takes none: leave --daclip away")
    return DaClipTask(recipe)
