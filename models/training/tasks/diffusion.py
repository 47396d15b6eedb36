"""Fitting a diffusion network: the noise in states along the way from clean to degraded images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.diffusion.objective import optimum_path_loss
from models.diffusion.sde import MeanRevertingSDE
from models.diffusion.settings import Sampling
from models.errors import UserError
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.training.recipe import Recipe
from models.training.settings import Diffusion
from models.training.tasks.contract import Batch, Scores, Task, first_and_total
from models.training.tasks.restoration import save_restorer, take_daclip
from models.training.tasks.scores import restoration_scores
from models.weights.opened import OpenedWeights

LOSS = "optimum-path"


class DiffusionTask:
    """A network that learns to tell the noise in a state; a DA-CLIP that it listens to is computed on the fly, frozen.

    Arguments:
        recipe: What to do; its `sde` is the process. `arch.content_dim` and `arch.degradation_dim` follow from the
            DA-CLIP unless given; `arch.degradation_dim: null` trains without the degradation prompt, as the paper does
            for a single type.
        daclip: Weights file or run of the DA-CLIP, for networks that need one.

    Raises:
        UserError: The loss is not that of diffusion networks, the network needs a DA-CLIP and none was given, or it
            takes none and one was.
    """

    def __init__(self, recipe: Recipe, *, daclip: Path | OpenedWeights | None) -> None:
        if recipe.loss != LOSS:
            raise UserError(f"recipe {recipe.name}: a diffusion network is trained with loss={LOSS}, not {recipe.loss}")
        card = NETWORKS[recipe.name]
        conditioner = take_daclip(card, daclip)
        arch = dict(recipe.arch)
        if conditioner is not None:
            arch.setdefault("content_dim", conditioner.embed_dim)
            if card.conditioning == "degradation+content":
                arch.setdefault("degradation_dim", conditioner.embed_dim)
        self._recipe, self._arch, self._daclip = recipe, arch, daclip
        self.sde = MeanRevertingSDE(**(recipe.sde or Diffusion()).model_dump())
        sampling = Sampling(nfe=recipe.validation.nfe if recipe.validation else None)
        self.trainable = Restorer(
            name=card.name, network=build(card.name, arch), daclip=conditioner, sde=self.sde, sampling=sampling
        )

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the optimum-path loss of a batch `{"degraded", "clean", "seed"}`.

        Steps and noise are drawn on the CPU from the batch's own seed, so a resumed run draws what it would have drawn.
        """
        restorer, degraded = self.trainable, batch["degraded"]
        embeddings = restorer.embed(degraded)
        loss = optimum_path_loss(
            lambda state, mean, time: restorer.predict(state, mean, time, embeddings=embeddings),
            self.sde,
            clean=batch["clean"],
            degraded=degraded,
            generator=torch.Generator().manual_seed(int(batch["seed"])),
            place=first_and_total(batch, len(degraded)),
        )
        return loss, {}

    def validate(self, batch: Batch) -> Scores:
        """Return the PSNR of each sampled image of a batch `{"degraded", "clean"}`."""
        return restoration_scores(self.trainable, batch)

    def after_step(self) -> None:
        """Nothing has to hold after a step."""

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """Write the network's weights with the process; the DA-CLIP is named in the metadata, not copied."""
        save_restorer(path, self.trainable, arch=self._arch, daclip=self._daclip, facts=facts)


def diffusion_task(recipe: Recipe, *, daclip: Path | OpenedWeights | None = None) -> Task:
    """Make the task of a diffusion recipe."""
    return DiffusionTask(recipe, daclip=daclip)
