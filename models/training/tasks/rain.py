"""Fitting a network that says where rain falls and how heavily, beside removing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from models.training.recipe import Recipe
from models.training.tasks.contract import Batch, Task
from models.training.tasks.restoration import RestorationTask
from models.weights.opened import OpenedWeights

VISIBLE = 8 / 255
"""Rain is where it makes a pixel lighter by more than this, in any channel."""


class RainTask(RestorationTask):
    """A network that learns the clean image in each pass, where rain is (`rain-mask`) and its level (`rain-level`).

    The rain layer is the degraded image less the clean one: its level is that layer, its place is where that layer is
    visible. The sets come without a mask of their own.

    References:
        Joint Rain Detection and Removal from a Single Image with Contextualized Deep Networks (Yang et al., 2019)
        https://doi.org/10.1109/TPAMI.2019.2895793
    """

    own_losses: ClassVar[tuple[str, ...]] = ("rain-mask", "rain-level")

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the loss of a batch `{"degraded", "clean"}`."""
        degraded, clean, weights = batch["degraded"], batch["clean"], self._recipe.losses
        network: Any = self._restorer.network
        final, first, mask, level = network.published(255 * degraded)
        loss, terms = self._compare((first / 255, final / 255), clean)
        rain = degraded - clean
        found = {
            "rain-mask": cross_entropy(mask.float(), (rain.amax(dim=1) > VISIBLE).long()),
            "rain-level": mse_loss(level.float() / 255, rain),
        }
        for name, value in found.items():
            loss = loss + weights.get(name, 0.0) * value
        return loss, {**terms, **{name: value.detach() for name, value in found.items()}}


def rain_task(recipe: Recipe, *, daclip: Path | OpenedWeights | None = None) -> Task:
    """Make the task of a recipe with rain masks."""
    return RainTask(recipe, daclip=daclip)
