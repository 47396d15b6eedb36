"""What happened during a run: JSON lines are the truth; TensorBoard and Weights & Biases are views of them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from models.errors import UserError
from models.files import write_text
from models.weights.records import read_events


class EventLog:
    """Appends numbers to `events.jsonl` and to a TensorBoard file in the run folder.

    Arguments:
        folder: The run folder.
        keep_until: Events of later steps are dropped; a resumed run will make them again.
        say: Called with a sentence when lines of an earlier process are damaged.
        wandb: Project of Weights & Biases that gets the numbers too; None for none. The run has the folder's name.

    Raises:
        UserError: Weights & Biases is asked for and not installed.
    """

    def __init__(self, folder: Path, *, keep_until: int, say: Callable[[str], None], wandb: str | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._wandb: Any = _wandb_run(wandb, folder) if wandb is not None else None
        self._path = folder / "events.jsonl"
        lines, damaged = read_events(self._path)
        if damaged:
            say(f"{self._path} has {damaged} damaged lines, which are left out: their numbers are lost")
        kept = [line for line, event in lines if event["step"] <= keep_until]
        write_text(self._path, "".join(f"{line}\n" for line in kept))
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=keep_until + 1)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Record the numbers of a step."""
        self._append({"step": step, **numbers})
        for name, value in numbers.items():
            self._board.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(numbers), step=step)

    def note(self, step: int, event: str, **facts: Any) -> None:
        """Record that something happened: a start, a stop, a new best."""
        self._append({"step": step, "event": event, **facts})

    def show(self, step: int, name: str, images: Tensor) -> None:
        """Show images with shape `(B, 3, H, W)`, in [0, 1], in TensorBoard."""
        self._board.add_images(name, images, step)

    def close(self) -> None:
        """Flush everything to disk."""
        self._board.close()
        if self._wandb is not None:
            self._wandb.finish()

    def _append(self, line: Mapping[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")


def _wandb_run(project: str, folder: Path) -> Any:
    if importlib.util.find_spec("wandb") is None:
        raise UserError("Weights & Biases is not installed: pip install wandb, or leave --wandb away")
    wandb: Any = importlib.import_module("wandb")
    # One folder is one run there as well, however often it is resumed.
    return wandb.init(project=project, name=folder.name, id=folder.name, resume="allow", dir=str(folder))
