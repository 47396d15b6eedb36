"""Fitting a restoration network against critics that learn at the same time to tell its results from clean images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.errors import UserError
from models.inference.restorer import Restorer
from models.training.recipe import Recipe
from models.training.settings import Adversarial
from models.training.tasks.contract import Batch, Task, first_and_total
from models.training.tasks.critics import Critic, Verdict, gradient_penalty, least_squares, relativistic, wasserstein
from models.training.tasks.restoration import RestorationTask
from models.weights.opened import OpenedWeights

JUDGES: dict[str, Callable[[Tensor, Tensor], Verdict]] = {"wgan-gp": wasserstein, "relativistic": relativistic}


class Players(nn.Module):
    """The network and those that judge it.

    Arguments:
        restorer: What restores.
        settings: What judges.
    """

    def __init__(self, restorer: Restorer, settings: Adversarial) -> None:
        super().__init__()
        width, normalised = settings.width, settings.normalised
        self.restorer = restorer
        self.critics = nn.ModuleList(Critic(width=width, layers=n, normalised=normalised) for n in settings.critics)
        layers = settings.local_critic
        self.local = Critic(width=width, layers=layers, normalised=normalised) if layers is not None else None

    @property
    def network(self) -> nn.Module:
        """The network alone, which is what weights are for."""
        return self.restorer.network


class AdversarialTask(RestorationTask):
    """A network that learns to be taken for clean by critics, beside other losses.

    Critics and network learn in the same step, from the same restored images. The weight `adversarial` in the recipe's
    `losses` is that of the critics' verdict. What a critic of small crops says is added to what the others say; where
    images are unpaired, the other losses look at these crops too.

    Arguments:
        recipe: What to do; its `adversarial` says who judges.
        daclip: Not taken.

    Raises:
        UserError: As for every restoration task, or the recipe names no critics or no weight for them.
    """

    own_losses: ClassVar[tuple[str, ...]] = ("adversarial",)

    def __init__(self, recipe: Recipe, *, daclip: Path | OpenedWeights | None) -> None:
        super().__init__(recipe, daclip=daclip)
        if recipe.adversarial is None or "adversarial" not in recipe.losses:
            raise UserError(
                f"recipe {recipe.name} is trained against critics: it needs adversarial.kind and losses.adversarial"
            )
        self._settings = recipe.adversarial
        self._players = Players(self._restorer, self._settings)

    @property
    def trainable(self) -> Players:
        """Network and critics."""
        return self._players

    def groups(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Return the parameters of the network and those of the critics."""
        critics = [p for name, p in self._players.named_parameters() if not name.startswith("restorer.")]
        return {"network": self._restorer.parameters(), "discriminator": critics}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the critics' loss, and in the network's steps its own beside it.

        Arguments:
            batch: Holds `degraded`, `clean`, `seed` and, beyond the first step, `step`.
        """
        settings, degraded, clean = self._settings, batch["degraded"], batch["clean"]
        taught = (int(batch.get("step", torch.tensor(0))) + 1) % settings.critic_steps == 0
        with torch.set_grad_enabled(taught and torch.is_grad_enabled()):
            restored = self._restorer(degraded)
        random = torch.Generator().manual_seed(int(batch["seed"]))
        place = first_and_total(batch, len(clean))
        verdict = self._judge(clean, restored, taught, random, place)
        spots = crop_places(random, settings, restored.shape, place)
        if self._players.local is not None:
            crops = [crops_at(images, spots, size=settings.local_size) for images in (clean, restored)]
            own = _verdict(self._players.local, least_squares, crops[0], crops[1], taught)
            verdict = Verdict(verdict.critic + own.critic, verdict.network + own.network)
        numbers: dict[str, float | Tensor] = {"critic": verdict.critic.detach()}
        if not taught:
            return verdict.critic, numbers
        like = degraded if settings.unpaired else clean
        content, terms = self._compare((restored,), like)
        if self._players.local is not None and settings.unpaired:
            crops = [crops_at(images, spots, size=settings.local_size) for images in (restored, like)]
            content = content + self._losses(crops[0], crops[1])[0]
        loss = content + self._recipe.losses["adversarial"] * verdict.network
        return loss + verdict.critic, {**numbers, **terms, "adversarial": verdict.network.detach()}

    def _judge(
        self, real: Tensor, restored: Tensor, taught: bool, random: torch.Generator, place: tuple[int, int]
    ) -> Verdict:
        """Return the mean of the losses of the critics that see whole patches, and of what they say to the network."""
        settings, judge = self._settings, JUDGES[self._settings.kind]
        verdicts = [_verdict(critic, judge, real, restored, taught) for critic in self._players.critics]
        if settings.kind == "wgan-gp":
            first, total = place
            mix = torch.rand(total, 1, 1, 1, generator=random)[first : first + len(real)].to(real.device)
            for number, critic in enumerate(self._players.critics):
                slope = gradient_penalty(critic, real, restored, mix)
                verdict = verdicts[number]
                verdicts[number] = verdict._replace(critic=verdict.critic + settings.penalty * slope)
        return Verdict(*(torch.stack(side).mean() for side in zip(*verdicts, strict=True)))


def _verdict(
    critic: nn.Module, judge: Callable[[Tensor, Tensor], Verdict], real: Tensor, restored: Tensor, taught: bool
) -> Verdict:
    """Let a critic learn from images, and the network from a copy of the critic that does not learn."""
    own = judge(critic(real), critic(restored.detach()))
    if not taught:
        return own._replace(network=own.network.detach())
    still = {name: value.detach() for name, value in critic.named_parameters()}
    with torch.no_grad():
        real_scores = functional_call(critic, still, (real,))
    return own._replace(network=judge(real_scores, functional_call(critic, still, (restored,))).network)


def crop_places(
    random: torch.Generator, settings: Adversarial, shape: torch.Size, place: tuple[int, int]
) -> list[list[tuple[int, int]]]:
    """Draw where the small crops of each image lie.

    Arguments:
        random: Where from.
        settings: Their number and size.
        shape: Of the images.
        place: First slot of these images in the whole batch, and its slots.

    Returns:
        For each image, top and left of each crop.
    """
    first, total = place
    rows, columns = (max(side - settings.local_size, 0) + 1 for side in shape[-2:])
    drawn = torch.rand(total, settings.local_crops, 2, generator=random)[first : first + shape[0]]
    spots = (drawn * torch.tensor([rows, columns])).long()
    return [[(int(top), int(left)) for top, left in image] for image in spots]


def crops_at(images: Tensor, spots: list[list[tuple[int, int]]], *, size: int) -> Tensor:
    """Cut crops with shape `(B * N, C, size, size)` out of images with shape `(B, C, H, W)`, smaller of small ones."""
    return torch.stack(
        [
            image[:, top : top + size, left : left + size]
            for image, places in zip(images, spots, strict=True)
            for top, left in places
        ]
    )


def adversarial_task(recipe: Recipe, *, daclip: Path | OpenedWeights | None = None) -> Task:
    """Make the task of a recipe with critics."""
    return AdversarialTask(recipe, daclip=daclip)
