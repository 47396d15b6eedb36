"""Fitting a restoration network to pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from models.daclip.build import load_daclip
from models.daclip.controller import DaClip
from models.errors import UserError
from models.networks import NETWORKS, NetworkCard
from models.networks.build import build
from models.restorer import Restorer
from models.run_weights import save_run_weights
from models.training.loop import Batch, Task
from models.training.losses import restoration_loss
from models.training.recipe import Recipe


class RestorationTask:
    """A network that learns to return the clean image; a DA-CLIP that it listens to stays frozen.

    Arguments:
        recipe: What to do.
        daclip: Weights file or run of the DA-CLIP, for networks that need one.

    Raises:
        UserError: The network needs a DA-CLIP and none was given, or it takes none and one was.
    """

    def __init__(self, recipe: Recipe, *, daclip: Path | None) -> None:
        card = NETWORKS[recipe.name]
        listened = take_daclip(card, daclip)
        arch = dict(recipe.arch)
        if listened is not None:
            arch.setdefault("embedding_dim", listened.embed_dim)
        self._recipe, self._arch, self._daclip = recipe, arch, daclip
        self._loss = restoration_loss(recipe.loss)
        self.trainable = Restorer(name=card.name, network=build(card.name, arch), daclip=listened)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the distance between restored and clean images of a batch `{"degraded", "clean"}`."""
        return self._loss(self.trainable(batch["degraded"]), batch["clean"]), {}

    def after_step(self) -> None:
        """Nothing has to hold after a step."""

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """Write the network's weights; the DA-CLIP is named in the metadata, not copied."""
        save_run_weights(
            path,
            task="restoration",
            network=self._recipe.name,
            state=self.trainable.network,
            arch=self._arch,
            daclip=self._daclip,
            **facts,
        )


def take_daclip(card: NetworkCard, daclip: Path | None) -> DaClip | None:
    """Load the DA-CLIP that a network is trained with, or return None for a network that takes none.

    Raises:
        UserError: The network needs a DA-CLIP and none was given, or it takes none and one was.
    """
    if card.conditioning == "none" and daclip is not None:
        raise UserError(f"network {card.name} takes no DA-CLIP: leave --daclip away")
    if card.conditioning != "none" and daclip is None:
        raise UserError(f"network {card.name} needs a DA-CLIP: bench train daclip first, then give --daclip RUN")
    return load_daclip(daclip) if daclip is not None else None


def restoration_task(recipe: Recipe, *, daclip: Path | None = None) -> Task:
    """Make the task of a restoration recipe."""
    return RestorationTask(recipe, daclip=daclip)
