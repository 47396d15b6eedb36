"""Fitting AirNet: first its degradation encoder by contrast, then all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.errors import UserError
from models.training.recipe import Recipe
from models.training.tasks.contract import Batch, Task
from models.training.tasks.restoration import RestorationTask
from models.weights.opened import OpenedWeights


class ContrastiveTask(RestorationTask):
    """A network that tells two crops of one degraded image from the crops of others, and restores guided by that.

    Until the step in the recipe's `stage_steps` the contrast is all there is; from then on its weight `contrast` in
    `losses` is that beside the other losses. Keys of earlier batches belong to the process that saw them, so several
    processes learn from other comparisons than one.

    Arguments:
        recipe: What to do.
        daclip: Not taken.

    Raises:
        UserError: As for every restoration task, or the recipe has no weight `contrast` or more stages than two.

    References:
        All-In-One Image Restoration for Unknown Corruption (Li et al., 2022)
        https://openaccess.thecvf.com/content/CVPR2022/html/Li_All-in-One_Image_Restoration_for_Unknown_Corruption_CVPR_2022_paper.html
    """

    own_losses: ClassVar[tuple[str, ...]] = ("contrast",)

    def __init__(self, recipe: Recipe, *, daclip: Path | OpenedWeights | None) -> None:
        super().__init__(recipe, daclip=daclip)
        if "contrast" not in recipe.losses or len(recipe.stage_steps) > 1:
            raise UserError(f"recipe {recipe.name} needs losses.contrast and at most one of stage_steps")
        self._encoder_steps = recipe.stage_steps[0] if recipe.stage_steps else 0

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the loss of a batch with two crops of each image, `{"degraded", "degraded_2", "clean"}`."""
        network: Any = self._restorer.network
        query, key = batch["degraded"], batch["degraded_2"]
        if int(batch.get("step", torch.tensor(0))) < self._encoder_steps:
            _, logits, labels = network.E.E(query, key)
            return cross_entropy(logits.float(), labels), {}
        restored, logits, labels = network.contrast(query, key)
        contrast = cross_entropy(logits.float(), labels)
        loss, terms = self._compare((restored,), batch["clean"])
        return loss + self._recipe.losses["contrast"] * contrast, {**terms, "contrast": contrast.detach()}


def contrastive_task(recipe: Recipe, *, daclip: Path | OpenedWeights | None = None) -> Task:
    """Make the task of a contrastive recipe."""
    return ContrastiveTask(recipe, daclip=daclip)
