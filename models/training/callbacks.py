"""Callbacks of a training run: validation images, names of rows, progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.training.validate import ValidationBatches


def _nothing(*_: Any) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """What a run asks of its surroundings and reports to them.

    Arguments:
        validation: Validation images, where the recipe asks for validation.
        keys: From row numbers to the names of pairs, for `bad_batch.json`.
        progress: Called with the number of steps done and a note on how it goes.
        say: Called with sentences for the user.
        wandb: Project of Weights & Biases, or None.
    """

    validation: ValidationBatches | None = None
    keys: Callable[[list[int]], list[str]] | None = None
    progress: Callable[[int, str], None] = _nothing
    say: Callable[[str], None] = _nothing
    wandb: str | None = None
