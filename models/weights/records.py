"""What runs record of themselves as JSON: description, manifest and best validation, sealed and read with care."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.files import SEAL, check_seal, parse_json, read_json

DESCRIPTION, MANIFEST, BEST = "run.json", "manifest.json", "best.json"
# The keys of files that were written before there were seals: these alone may have none.
BEFORE_SEALS = {
    DESCRIPTION: {"recipe", "dataset"},
    MANIFEST: {"schema", "run", "weights_sha256", "steps", "tool"},
    BEST: {"step", "score", "scores"},
}
NAMES = {DESCRIPTION: "run description", MANIFEST: "run manifest", BEST: "best validation"}
WEIGHTS = {"weights.safetensors": "weights_sha256", "best.safetensors": "best_sha256"}
"""The weights in a run folder, and where its manifest records their digests."""
_SHA256 = re.compile("[0-9a-f]{64}")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a finished run.

    Raises:
        UserError: It is absent, of another kind, or not what was written.
    """
    found = _read(folder / MANIFEST)
    run = _of_kind(found, "run", dict, folder / MANIFEST)
    _require_run(run, folder / MANIFEST)
    _of_kind(found, "steps", int, folder / MANIFEST)
    for key in WEIGHTS.values():
        if key in found and not (isinstance(found[key], str) and _SHA256.fullmatch(found[key])):
            raise UserError(f"run manifest {folder / MANIFEST}: {key} is no SHA-256: the file is damaged")
    if "weights_sha256" not in found:
        raise UserError(f"run manifest {folder / MANIFEST} lacks weights_sha256: it is another file, or damaged")
    return found


def read_description(folder: Path) -> dict[str, Any]:
    """Return what a run, finished or not, is: `recipe`, `dataset`, and `inputs` where it reads more than images.

    Raises:
        UserError: It is absent, of another kind, or not what was written.
    """
    found = _read(folder / DESCRIPTION)
    _require_run(found, folder / DESCRIPTION)
    return found


def read_best(folder: Path) -> dict[str, Any] | None:
    """Return step and score of a run's best validation, or None when it has none.

    Raises:
        UserError: The file is of another kind, or not what was written.
    """
    path = folder / BEST
    if not path.exists():
        return None
    found = _read(path)
    _of_kind(found, "step", int, path)
    _of_kind(found, "score", (int, float), path)
    return found


def recorded_digest(path: Path) -> str | None:
    """Return the SHA-256 that a run has recorded for its weights when it ended; None for any other file.

    Raises:
        UserError: The run's manifest cannot be read.
    """
    key = WEIGHTS.get(path.name)
    if key is None or not (path.parent / MANIFEST).exists():
        return None
    return read_manifest(path.parent).get(key)


def read_events(path: Path) -> tuple[list[tuple[str, dict[str, Any]]], int]:
    """Read the numbers and notes of a run, line by line.

    Arguments:
        path: `events.jsonl`; it may be absent.

    Returns:
        The whole lines with what they hold, and how many others there are. A last line without its end is not among
        them: a process that was killed, or that is writing, leaves one.
    """
    if not path.is_file():
        return [], 0
    lines = path.read_bytes().split(b"\n")
    # After the last line's end comes nothing, or the line that is being written.
    found = [(line.decode("utf-8", "replace"), _event(line)) for line in lines[:-1]]
    whole = [(line, event) for line, event in found if event is not None]
    return whole, len(found) - len(whole)


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = parse_json(line.decode("utf-8"), "event")
    except (UserError, UnicodeDecodeError):
        return None
    note = isinstance(event.get("event"), str)
    values = [event.get("step")] if note else list(event.values())
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return event if isinstance(event.get("step"), int) and numbers and (note or "event" not in event) else None


def _read(path: Path) -> dict[str, Any]:
    what = NAMES[path.name]
    if path.exists() and not path.is_file():
        raise UserError(f"{what} {path} is no file: the run folder is damaged")
    found = read_json(path, what)
    check_seal(
        found,
        f"{what} {path}",
        required=found.keys() != BEFORE_SEALS[path.name],
        remedy="put it back from a copy, or train again into another folder",
    )
    return {key: value for key, value in found.items() if key != SEAL}


def _require_run(run: Mapping[str, Any], path: Path) -> None:
    recipe = _of_kind(run, "recipe", dict, path)
    _of_kind(run, "dataset", dict, path)
    if "inputs" in run:
        _of_kind(run, "inputs", dict, path)
    for key, kind in (("name", str), ("preset", str), ("steps", int)):
        _of_kind(recipe, key, kind, path)


def _of_kind(found: Mapping[str, Any], key: str, kind: type | tuple[type, ...], path: Path) -> Any:
    value = found.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        came = "nothing" if key not in found else type(value).__name__
        raise UserError(f"{NAMES[path.name]} {path} holds {came} as {key!r}: it is another file, or damaged")
    return value
