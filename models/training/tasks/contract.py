"""What is fitted: the contract between a task and the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""Tensors by name. Those of `ON_CPU` are whole numbers that stay there, so that reading them waits for nothing."""
Batches = Callable[[int], Iterator[Batch]]
"""Returns the endless batches of this process that start at a given step: one for each optimiser step."""

ON_CPU = ("seed", "step", "place", "index")


class Task(Protocol):
    """What is fitted. A task may also have `groups` (`HasGroups`) and `validate` (`Validates`)."""

    @property
    def trainable(self) -> nn.Module:
        """The module whose parameters are optimised, averaged and checkpointed."""
        ...

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Return the loss of a batch and further numbers for the log, detached.

        The loss is the mean over the batch, so that parts of a batch, weighted by their sizes, add up to the whole.
        Beside what the data gives, a batch holds `step`, the number of steps done, and `place` (see `first_and_total`).
        """
        ...

    def after_step(self) -> None:
        """Run what must hold after every optimiser step."""
        ...

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """Write the weights with `facts` in their metadata."""
        ...


@runtime_checkable
class HasGroups(Protocol):
    """A task whose parameters are optimised with several settings; the others have one group, "network"."""

    def groups(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Return all trainable parameters by group; the recipe's `optimizer.groups` names those that differ."""
        ...


class Scores(NamedTuple):
    """What a validation batch gives: numbers with shape `(B,)` by name, and restored images with `(B, 3, H, W)`."""

    numbers: dict[str, Tensor]
    images: Tensor | None = None


@runtime_checkable
class Validates(Protocol):
    """A task that can be scored image by image."""

    def validate(self, batch: Batch) -> Scores:
        """Return the scores of a validation batch, computed without gradients in evaluation mode."""
        ...


def named_groups(task: Task) -> dict[str, list[nn.Parameter]]:
    """Return the trainable parameters of a task by group."""
    groups = task.groups() if isinstance(task, HasGroups) else {"network": task.trainable.parameters()}
    return {name: [p for p in parameters if p.requires_grad] for name, parameters in groups.items()}


def first_and_total(batch: Batch, size: int) -> tuple[int, int]:
    """Return which slot of the global batch the first row of a batch has, and how many slots that has.

    A task that draws random numbers draws them for the global batch from its `seed` and takes the rows of its own, so
    that the number of processes and of accumulated parts changes nothing.

    Arguments:
        batch: The batch; without `place` it is a whole one.
        size: Its number of rows.
    """
    place = batch.get("place", torch.tensor([0, size]))
    return int(place[0]), int(place[1])
