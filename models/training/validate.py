"""Scores during training: over all processes, by degradation type; what is best, and when there is no more to gain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from models.errors import UserError, close_match
from models.training.processes import from_all
from models.training.settings import Validation
from models.training.tasks.contract import Scores

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ValidationBatches = Callable[[], Iterable[Mapping[str, Any]]]
"""Returns the batches of a validation, the same in all processes: tensors, and the rows' types under "degradation"."""


class Validated(NamedTuple):
    """The result of a validation.

    Arguments:
        numbers: `psnr` (the mean over the types) and `psnr/TYPE` (the mean over its images), and so on for each score.
        images: The first images of each type as `(degraded, restored, clean)` side by side, where there are any.
    """

    numbers: dict[str, float]
    images: list[Tensor]


@torch.no_grad()
def run_validation(
    score: Callable[[Mapping[str, Tensor]], Scores], batches: ValidationBatches, fabric: Fabric, *, images: int
) -> Validated:
    """Score all batches, each in one of the processes.

    Arguments:
        score: Scores a batch; called equally often in all processes.
        batches: See `ValidationBatches`.
        fabric: The processes.
        images: Images of each type to keep.
    """
    found: list[tuple[int, str, str, float]] = []
    shown: list[tuple[int, str, Tensor]] = []
    waiting: Mapping[str, Any] | None = None
    for number, batch in enumerate(batches()):
        if number % fabric.world_size == 0:
            waiting = batch
        if number % fabric.world_size == fabric.global_rank:
            _score(score, batch, number, found, shown, images)
            waiting = None
    if waiting is not None:
        # The others are at work on the last batches; sharded weights are gathered by all or not at all.
        score({name: value for name, value in waiting.items() if isinstance(value, Tensor)})
    everything = sorted((entry for part in from_all(found) for entry in part), key=lambda entry: entry[0])
    kept: dict[str, list[Tensor]] = {}
    for _, kind, image in sorted((entry for part in from_all(shown) for entry in part), key=lambda entry: entry[0]):
        kept.setdefault(kind, []).append(image)
    return Validated(_means(everything), [image for kind in kept.values() for image in kind[:images]])


def _score(
    score: Callable[[Mapping[str, Tensor]], Scores],
    batch: Mapping[str, Any],
    number: int,
    found: list[tuple[int, str, str, float]],
    shown: list[tuple[int, str, Tensor]],
    images: int,
) -> None:
    kinds: list[str] = list(batch["degradation"])
    scores = score({name: value for name, value in batch.items() if isinstance(value, Tensor)})
    for name, values in scores.numbers.items():
        found += [(number, name, kind, value) for kind, value in zip(kinds, values.tolist(), strict=True)]
    if scores.images is None:
        return
    for row, kind in enumerate(kinds):
        if sum(kind == other for _, other, _ in shown) < images:
            parts = (batch["degraded"][row].cpu(), scores.images[row].cpu(), batch["clean"][row].cpu())
            shown.append((number, kind, torch.cat(parts, dim=-1)))


def _means(found: list[tuple[int, str, str, float]]) -> dict[str, float]:
    by_kind: dict[str, dict[str, list[float]]] = {}
    for _, name, kind, value in found:
        by_kind.setdefault(name, {}).setdefault(kind, []).append(value)
    numbers: dict[str, float] = {}
    for name, kinds in by_kind.items():
        means = {kind: sum(values) / len(values) for kind, values in kinds.items()}
        numbers[name] = sum(means.values()) / len(means)
        numbers |= {f"{name}/{kind}": mean for kind, mean in means.items()}
    return numbers


class Best:
    """The best validation so far.

    Arguments:
        settings: Which score decides, and for how many validations it may fail to improve.
    """

    def __init__(self, settings: Validation) -> None:
        self._settings = settings
        self.value: float | None = None
        self.step = 0
        self._since = 0

    def update(self, step: int, numbers: Mapping[str, float]) -> bool:
        """Take in the scores of a step and return whether they are the best.

        Raises:
            UserError: There is no such score.
        """
        metric = self._settings.metric or next(iter(numbers), "")
        if metric not in numbers:
            hint = close_match(metric, numbers)
            raise UserError(f"validation.metric={metric} is no score of this task{hint} (known: {', '.join(numbers)})")
        value = numbers[metric]
        sign = 1 if self._settings.better == "more" else -1
        if self.value is None or sign * value > sign * self.value:
            self.value, self.step, self._since = value, step, 0
            return True
        self._since += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether the run should stop."""
        return self._settings.patience is not None and self._since >= self._settings.patience

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"value": self.value, "step": self.step, "since": self._since}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        self.value, self.step, self._since = state["value"], int(state["step"]), int(state["since"])
