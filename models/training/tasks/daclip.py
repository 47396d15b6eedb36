"""Fitting DA-CLIP: content embeddings to captions, degradation embeddings to degradation words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from models.daclip.build import build_daclip
from models.daclip.chunks import chunked_features, clean_content
from models.daclip.gather import gather, processes
from models.daclip.loss import clamp_logit_scale, daclip_loss, degradation_loss_floor
from models.errors import UserError, close_match
from models.training.recipe import Recipe
from models.training.tasks.contract import Batch, Scores, Task, first_and_total
from models.weights.opened import OpenedWeights
from models.weights.run import save_run_weights

ARCH = ("clip", "pretrained", "official_init")
LOSSES = ("contrastive", "multi-positive")


class DaClipTask:
    """The controller learns; CLIP itself is frozen, though gradients flow through its image encoder.

    Arguments:
        recipe: What to do; its `arch` holds `clip` (a model name of open_clip or an inline configuration),
            `pretrained` (a tag, a weights file, or null for random weights) and `official_init` (whether a controller
            on pretrained weights starts exactly as the published one, the default).

    Raises:
        UserError: The recipe's `arch` or loss is not of this kind, or the CLIP weights cannot be had.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.loss not in LOSSES:
            raise UserError(f"recipe {recipe.name}: loss must be {' or '.join(LOSSES)}, got {recipe.loss!r}")
        for key in recipe.arch:
            if key not in ARCH:
                raise UserError(f"recipe {recipe.name}: unknown key arch.{key}{close_match(key, ARCH)}")
        self._recipe = recipe
        self.trainable = build_daclip(
            clip=recipe.arch.get("clip", ""),
            pretrained=recipe.arch.get("pretrained"),
            official_init=bool(recipe.arch.get("official_init", True)),
        )
        if self.trainable.image_size != recipe.patch_size:
            size = self.trainable.image_size
            raise UserError(f"recipe {recipe.name}: this CLIP takes {size}x{size} pixels, set patch_size={size}")

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the loss of a batch, and its terms beside the smallest value that the degradation term can take.

        On several processes the batch is this process's part, and the terms are those of all parts together.

        Arguments:
            batch: `image`, `text` and `label`; with `content_l1` also `clean`, the same crops of the clean images.
        """
        recipe, daclip = self._recipe, self.trainable
        total_rows = first_and_total(batch, len(batch["image"]))[1]
        if total_rows != len(batch["image"]) * processes():
            raise UserError(
                f"recipe {recipe.name}: a contrastive loss compares the whole batch, so batch_size={total_rows} must "
                f"be a multiple of the {processes()} processes, with accumulate=1 (chunk_size saves memory)"
            )
        features = chunked_features(daclip, batch["image"], batch["text"], chunk_size=recipe.chunk_size)
        together, labels = gather(features, batch["label"], with_gradient=recipe.gather_gradients)
        merged = recipe.loss == "multi-positive"
        terms = daclip_loss(together, labels=labels if merged else None)
        numbers: dict[str, float | Tensor] = {
            "content": terms.content.detach(),
            "degradation": terms.degradation.detach(),
            "degradation_floor": 0.0 if merged else degradation_loss_floor(labels),
        }
        total = terms.total
        if recipe.content_l1:
            clean = clean_content(daclip, batch["clean"], chunk_size=recipe.chunk_size)
            distance = (features.content - clean).abs().mean()
            numbers["content_l1"] = distance.detach()
            total = total + recipe.content_l1 * distance
        return total, numbers

    def validate(self, batch: Batch) -> Scores:
        """Return for each image whether its degradation is told from the others in the batch (1) or not (0)."""
        features = self.trainable(batch["image"], batch["text"])
        nearest = (features.degradation @ features.degradation_text.T).argmax(dim=1)
        return Scores({"accuracy": (batch["label"][nearest] == batch["label"]).float()})

    def after_step(self) -> None:
        """Keep the logit scale within its bounds."""
        clamp_logit_scale(self.trainable)

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """Write controller and CLIP."""
        save_run_weights(path, task="daclip", network="daclip", state=self.trainable, arch=self.trainable.arch, **facts)


def daclip_task(recipe: Recipe, *, daclip: Path | OpenedWeights | None = None) -> Task:
    """Make the task of a DA-CLIP recipe."""
    if daclip is not None:
        raise UserError("bench train daclip makes a DA-CLIP and takes none: leave --daclip away")
    return DaClipTask(recipe)
