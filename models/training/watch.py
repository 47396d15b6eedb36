"""The losses of the last steps: read together, so that no step waits, and stopped when they go astray."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from models.training.processes import from_all
from models.training.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WINDOW = 200
"""Steps that a loss is compared with; half of them must have been seen."""
TOLERATED = 10
"""Losses in a row that need not be numbers in fp16, whose scale is lowered until they are."""


@dataclass(frozen=True)
class Astray:
    """A loss that is no number or far above the others.

    Arguments:
        step: Number of the step, counted from 1.
        loss: Its loss.
        usual: Median of the losses before.
        rows: Numbers of the rows in its batch, in all processes, where the data tells them.
    """

    step: int
    loss: float
    usual: float | None
    rows: list[int]


class LossWatch:
    """Collects losses as they are, on their device, and reads them at the log's pace.

    Arguments:
        recipe: Its `spike` is the limit, its `precision` says whether single losses may overflow.
        fabric: The processes whose losses are averaged.
    """

    def __init__(self, recipe: Recipe, fabric: Fabric) -> None:
        self._spike, self._fabric = recipe.spike, fabric
        self._tolerated = TOLERATED if recipe.precision == "fp16" else 0
        self._unread: list[tuple[int, Tensor, Tensor | None]] = []
        self._seen: deque[float] = deque(maxlen=WINDOW)
        self._interval: list[float] = []
        self._not_numbers = 0

    def add(self, step: int, loss: Tensor, rows: Tensor | None) -> None:
        """Note the loss of a step and the rows of its batch, without waiting for either."""
        self._unread.append((step, loss, rows))

    def read(self) -> Astray | None:
        """Read the losses since the last time, in all processes; return the first that went astray."""
        if not self._unread:
            return None
        unread, self._unread = self._unread, []
        values: Tensor = self._fabric.all_reduce(torch.stack([loss for _, loss, _ in unread]), reduce_op="mean")  # pyright: ignore[reportAssignmentType]
        for (step, _, rows), value in zip(unread, values.tolist(), strict=True):
            usual = median(self._seen) if self._seen else None
            if self._is_astray(value, usual):
                mine = [] if rows is None else rows.tolist()
                return Astray(step, value, usual, [row for part in from_all(mine) for row in part])
            if math.isfinite(value):
                self._seen.append(value)
                self._interval.append(value)
        return None

    def mean(self) -> float:
        """Return the mean of what was read since the last call, and begin anew."""
        values, self._interval = self._interval, []
        return sum(values) / len(values) if values else math.nan

    def _is_astray(self, value: float, usual: float | None) -> bool:
        if not math.isfinite(value):
            self._not_numbers += 1
            return self._not_numbers > self._tolerated
        self._not_numbers = 0
        if self._spike is None or usual is None or len(self._seen) < WINDOW // 2:
            return False
        deviation = median(abs(seen - usual) for seen in self._seen)
        return value - usual > self._spike * max(deviation, 0.01 * abs(usual))

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs; everything must have been read."""
        return {"seen": list(self._seen), "interval": list(self._interval), "not_numbers": self._not_numbers}

    def load(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self._seen.extend(state["seen"])
        self._interval, self._not_numbers = list(state["interval"]), int(state["not_numbers"])


def bad_batch(astray: Astray, keys: Callable[[list[int]], list[str]] | None) -> dict[str, Any]:
    """Return what `bad_batch.json` holds."""
    return {
        "step": astray.step,
        "loss": repr(astray.loss),
        "usual_loss": astray.usual,
        "rows": astray.rows,
        "keys": keys(astray.rows) if keys and astray.rows else [],
    }
