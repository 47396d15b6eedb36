"""What run folders tell about themselves: recipe, state, and the numbers of every logged step."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import UserError, close_match
from models.weights.records import MANIFEST, read_best, read_description, read_events, read_manifest


@dataclass(frozen=True)
class RunFacts:
    """A run folder, read.

    Arguments:
        folder: The folder.
        recipe: The recipe in full.
        dataset: Name and digest of the data.
        state: "finished", "stopped early", "running", "stopped" (by a signal), "failed" (its loss went astray) or
            "interrupted".
        events: The lines of `events.jsonl`, in order.
        best: Step and score of the best validation, or None.
        damaged: Number of lines of `events.jsonl` that could not be read, the last one being written aside.
    """

    folder: Path
    recipe: Mapping[str, Any]
    dataset: Mapping[str, Any]
    state: str
    events: Sequence[Mapping[str, Any]]
    best: Mapping[str, Any] | None
    damaged: int = 0

    @property
    def step(self) -> int:
        """The last step that was logged."""
        return max((int(event["step"]) for event in self.events), default=0)

    def series(self, value: str) -> tuple[list[int], list[float]]:
        """Return steps and numbers of a logged value, e.g. "loss" or "validation/psnr"."""
        found = [(event["step"], event[value]) for event in self._numbers() if value in event]
        return [int(step) for step, _ in found], [float(number) for _, number in found]

    def last(self, value: str) -> float | None:
        """Return the newest number of a logged value, or None."""
        return (self.series(value)[1] or [None])[-1]

    def values(self) -> list[str]:
        """Return the names of all values that were logged."""
        return list(dict.fromkeys(name for event in self._numbers() for name in event if name != "step"))

    def _numbers(self) -> list[Mapping[str, Any]]:
        return [event for event in self.events if "event" not in event]


def find_runs(places: Sequence[Path]) -> list[RunFacts]:
    """Return the runs in folders, sorted by path; a run folder is one of them itself.

    Raises:
        UserError: A folder is not there or holds no run.
    """
    found: dict[Path, RunFacts] = {}
    for place in places:
        if not place.is_dir():
            raise UserError(f"run folder not found: {place}")
        folders = sorted(file.parent for file in place.rglob("run.json"))
        if not folders:
            raise UserError(f"{place} holds no run: give a folder that bench train has written, or one that holds some")
        found |= {folder: read_run(folder) for folder in folders}
    return list(found.values())


def read_run(folder: Path) -> RunFacts:
    """Read a run folder, finished or not.

    Raises:
        UserError: It is not one, or what it records of itself was changed since.
    """
    described = read_description(folder)
    lines, damaged = read_events(folder / "events.jsonl")
    events = [event for _, event in lines]
    state = _state(folder, events)
    return RunFacts(folder, described["recipe"], described["dataset"], state, events, read_best(folder), damaged)


def differences(runs: Sequence[RunFacts]) -> dict[str, list[str]]:
    """Return each setting, in dotted form, that is not the same in all runs, with its value in each of them."""
    flat = [_flat(run.recipe) | {"data": run.dataset.get("name", "?")} for run in runs]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    rows = {key: [json.dumps(settings[key]) if key in settings else "-" for settings in flat] for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def require_value(runs: Sequence[RunFacts], value: str) -> None:
    """Refuse a value that none of the runs has logged.

    Raises:
        UserError: Nobody has; the close match is named.
    """
    known = list(dict.fromkeys(name for run in runs for name in run.values()))
    if value not in known:
        raise UserError(
            f"no run has logged {value!r}{close_match(value, known)} (known: {', '.join(known) or 'nothing'})"
        )


def _state(folder: Path, events: Sequence[Mapping[str, Any]]) -> str:
    notes = [event["event"] for event in events if "event" in event]
    if (folder / MANIFEST).exists():
        read_manifest(folder)
        return "stopped early" if notes and notes[-1] == "stopped early" else "finished"
    if _is_held(folder / ".lock"):
        return "running"
    if (folder / "bad_batch.json").is_file():
        return "failed"
    return "stopped" if notes and notes[-1] == "stopped" else "interrupted"


def _is_held(lock: Path) -> bool:
    """Tell whether a process writes to the folder, by the kernel's lock."""
    if not lock.is_file():
        return False
    with open(lock) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
