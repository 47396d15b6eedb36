"""Fitting a restoration network to pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.daclip.build import load_daclip
from models.daclip.controller import DaClip
from models.errors import UserError
from models.inference.restorer import Restorer
from models.networks import NETWORKS, NetworkCard
from models.networks.build import build
from models.networks.padding import Padding
from models.training.losses import weighted_losses
from models.training.recipe import Recipe
from models.training.tasks.contract import Batch, Scores, Task
from models.training.tasks.scores import restoration_scores
from models.weights.opened import OpenedWeights
from models.weights.run import save_run_weights


class RestorationTask:
    """A network that learns to return the clean image; a DA-CLIP that it listens to stays frozen.

    Arguments:
        recipe: What to do.
        daclip: Weights file or run of the DA-CLIP, for networks that need one.

    Raises:
        UserError: The network needs a DA-CLIP and none was given, it takes none and one was, a loss is unknown, or the
            network does not work at the size of the patches.
    """

    own_losses: ClassVar[tuple[str, ...]] = ()
    """Terms of the recipe's `losses` that this task computes itself."""

    def __init__(self, recipe: Recipe, *, daclip: Path | OpenedWeights | None) -> None:
        card = NETWORKS[recipe.name]
        conditioner = take_daclip(card, daclip)
        arch = dict(recipe.arch)
        if conditioner is not None:
            arch.setdefault("embedding_dim", conditioner.embed_dim)
        self._recipe, self._arch, self._daclip = recipe, arch, daclip
        self._losses = weighted_losses(recipe.losses, own=self.own_losses, perceptual_weights=recipe.perceptual_weights)
        self._restorer = Restorer(name=card.name, network=build(card.name, arch), daclip=conditioner)
        _refuse_sizes(recipe, self._restorer.padding)
        if recipe.supervise == "all" and not hasattr(self._restorer.network, "predictions"):
            raise UserError(f"network {card.name} offers its final result only: set supervise=final")

    @property
    def trainable(self) -> nn.Module:
        """What is optimised."""
        return self._restorer

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the distance between restored and clean images of a batch `{"degraded", "clean"}`."""
        loss, terms = self._compare(self._predictions(batch["degraded"]), batch["clean"])
        return loss, {**terms}

    def _predictions(self, degraded: Tensor) -> tuple[Tensor, ...]:
        """Return what the losses look at, the final result last."""
        if self._recipe.supervise == "final":
            return (self._restorer(degraded),)
        network: Any = self._restorer.network
        return network.predictions(degraded)

    def _compare(self, predictions: tuple[Tensor, ...], clean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the losses of all predictions, and the terms of the final one."""
        loss, terms = self._losses(predictions[-1], clean)
        for earlier in predictions[:-1]:
            loss = loss + self._losses(earlier, self._scaled(clean, earlier))[0]
        return loss, terms

    def _scaled(self, clean: Tensor, like: Tensor) -> Tensor:
        """Return clean images at the size of a prediction, scaled down as the network scales the degraded ones."""
        if clean.shape == like.shape:
            return clean
        pyramid: Any = getattr(self._restorer.network, "pyramid", None)
        if pyramid is not None:
            return next(level for level in pyramid(clean) if level.shape == like.shape)
        return interpolate(clean, like.shape[-2:], mode="bilinear", antialias=True)

    def validate(self, batch: Batch) -> Scores:
        """Return the PSNR of each image of a batch `{"degraded", "clean"}`."""
        return restoration_scores(self._restorer, batch)

    def after_step(self) -> None:
        """Nothing has to hold after a step."""

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """Write the network's weights; the DA-CLIP is named in the metadata, not copied."""
        save_restorer(path, self._restorer, arch=self._arch, daclip=self._daclip, facts=facts)


def _refuse_sizes(recipe: Recipe, padding: Padding) -> None:
    for phase in recipe.phases():
        size = phase.patch_size
        if size % padding.multiple_of or size < padding.minimum_size:
            raise UserError(
                f"recipe {recipe.name}: {recipe.name} learns from patches whose side is a multiple of "
                f"{padding.multiple_of} and at least {padding.minimum_size}, not from patch_size={size}"
            )


def save_restorer(
    path: Path,
    restorer: Restorer,
    *,
    arch: Mapping[str, Any],
    daclip: Path | OpenedWeights | None,
    facts: Mapping[str, Any],
) -> None:
    """Write the weights of a restorer's network, and the process of one that is sampled, without its DA-CLIP.

    Arguments:
        path: The file to write.
        restorer: What was trained.
        arch: Constructor arguments of its network.
        daclip: Where its DA-CLIP came from; it is named in the metadata.
        facts: What the run says of itself, see `save_run_weights`.
    """
    save_run_weights(
        path,
        task="restoration",
        network=restorer.card.name,
        state=restorer.network,
        arch=arch,
        daclip=daclip,
        daclip_sha256=restorer.daclip_sha256,
        sde=restorer.sde.settings() if restorer.card.sampler else None,
        **facts,
    )


def take_daclip(card: NetworkCard, daclip: Path | OpenedWeights | None) -> DaClip | None:
    """Load the DA-CLIP that a network is trained with, or return None for a network that takes none.

    Raises:
        UserError: The network needs a DA-CLIP and none was given, or it takes none and one was.
    """
    if card.conditioning == "none" and daclip is not None:
        raise UserError(f"network {card.name} takes no DA-CLIP: leave --daclip away")
    if card.conditioning != "none" and daclip is None:
        raise UserError(f"network {card.name} needs a DA-CLIP: bench train daclip first, then give --daclip RUN")
    return load_daclip(daclip) if daclip is not None else None


def restoration_task(recipe: Recipe, *, daclip: Path | OpenedWeights | None = None) -> Task:
    """Make the task of a restoration recipe."""
    return RestorationTask(recipe, daclip=daclip)
