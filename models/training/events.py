"""What happened during a run: JSON lines are the truth, TensorBoard a view of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from models.files import write_text


class EventLog:
    """Appends numbers to `events.jsonl` and to a TensorBoard file in the run folder.

    Arguments:
        folder: The run folder.
        keep_until: Events of later steps are dropped; a resumed run will make them again.
    """

    def __init__(self, folder: Path, *, keep_until: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._path = folder / "events.jsonl"
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        kept = [line for line in lines if _step(line) is not None and (_step(line) or 0) <= keep_until]
        write_text(self._path, "".join(f"{line}\n" for line in kept))
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=keep_until + 1)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Record the numbers of a step."""
        with open(self._path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"step": step, **numbers}) + "\n")
        for name, value in numbers.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush everything to disk."""
        self._board.close()


def _step(line: str) -> int | None:
    """Return the step of a line, or None for a line that a killed process left half written."""
    try:
        return int(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
