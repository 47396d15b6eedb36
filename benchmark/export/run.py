"""Writing a dataset in another layout: unit by unit, resumable, never over foreign files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmark.dataset import Dataset
from benchmark.export import LAYOUTS
from models.errors import UserError
from models.files import read_json, sha256_json, single_writer, write_json

WORK = ".export"
RECORD = "export.json"
SPARE = 1.02  # file systems round every file up to a block


@dataclass(frozen=True)
class Options:
    """What can be chosen.

    Arguments:
        dataroot: Folder that paths in caption files begin with; None for the layout's own default.
        shard_size: Samples of a tar file.
    """

    dataroot: str | None = None
    shard_size: int = 1000


@dataclass(frozen=True)
class Unit:
    """A piece of work that is whole or not done.

    Arguments:
        name: Stable and unique.
        rows: Number of pairs, for progress.
        size: Bytes that it will take, for the check of the disk.
        identity: Whatever else determines its bytes besides the dataset and the options.
        write: Writes its files and returns their paths below the folder.
    """

    name: str
    rows: int
    size: int
    write: Callable[[], Sequence[Path]]
    identity: str = ""


@dataclass(frozen=True)
class Plan:
    """An export.

    Arguments:
        options: The options that determine its bytes.
        units: The work, in order.
        hints: Lines that tell the user how to go on.
        facts: What the record of the export says besides.
    """

    options: Mapping[str, Any]
    units: Sequence[Unit]
    hints: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Planner(Protocol):
    """What every layout offers: a function from a dataset to a plan."""

    def __call__(self, data: Dataset, out: Path, options: Options) -> Plan:
        """Return the work to be done; nothing is written yet."""
        ...


def export(
    data: Dataset,
    out: Path,
    plan: Plan,
    *,
    layout: str,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Carry out a plan, continuing an interrupted export.

    A unit counts as done when all files that it wrote are there in their full size. `export.json` is written last.

    Arguments:
        data: The dataset.
        out: Folder to write: absent, empty, or holding the same export.
        plan: From a layout.
        layout: Name of the layout.
        progress: Called with the number of pairs done.

    Returns:
        The record of the export, as in `export.json`.

    Raises:
        UserError: The folder holds something else, another process writes to it, or the disk is too small.
    """
    identity = {"layout": layout, "dataset": data.digest, "options": dict(plan.options)}
    _check_folder(out, identity)
    with single_writer(out):
        _check_folder(out, identity)
        work = out / WORK
        (out / RECORD).unlink(missing_ok=True)
        write_json(work / "plan.json", identity)
        for leftover in [*out.glob(".*.partial"), *work.glob(".*.partial")]:  # of a process that was killed
            leftover.unlink()
        left = [unit for unit in plan.units if not _done(unit, out)]
        _check_space(out, sum(unit.size for unit in left))
        done = sum(unit.rows for unit in plan.units) - sum(unit.rows for unit in left)
        progress(done)
        for unit in left:
            (work / f"{unit.name}.json").unlink(missing_ok=True)
            files = {path.relative_to(out).as_posix(): path.stat().st_size for path in unit.write()}
            write_json(work / f"{unit.name}.json", {"identity": unit.identity, "files": files})
            done += unit.rows
            progress(done)
        reports = [read_json(work / f"{unit.name}.json", "report of a unit") for unit in plan.units]
        record = {
            **identity,
            **plan.facts,
            "files": sum(len(report["files"]) for report in reports),
            "bytes": sum(sum(report["files"].values()) for report in reports),
            "captions": sha256_json([unit.identity for unit in plan.units]),
        }
        write_json(out / RECORD, record)
    return record


def plan_export(data: Dataset, out: Path, *, layout: str, options: Options) -> Plan:
    """Return the plan of a layout.

    Raises:
        UserError: There is no such layout, or it needs captions that the dataset has not got.
    """
    if LAYOUTS[layout].needs_captions and not captioned(data):
        raise UserError(f"{data.folder} has no captions to export: run bench caption {data.folder} first")
    return LAYOUTS.load(layout)(data, out, options)


def caption_file(data: Dataset, split: str) -> Path:
    """Return the path of a split's captions, whether they exist or not."""
    return data.folder / "captions" / f"{split}.parquet"


def captioned(data: Dataset) -> list[str]:
    """Return the splits that have captions."""
    return [split for split in data.manifest["splits"] if caption_file(data, split).is_file()]


def _check_folder(out: Path, identity: Mapping[str, Any]) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give a folder to export to")
    found = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    found = [name for name in found if name != ".lock" and not name.endswith(".partial")]
    if not found or (found == [WORK] and not (out / WORK / "plan.json").is_file()):
        return
    if not (out / WORK / "plan.json").is_file():
        raise UserError(f"{out} already holds other files ({', '.join(found[:3])}): choose an empty or a new folder")
    before = read_json(out / WORK / "plan.json", "plan of the export")
    if before != identity:
        changed = ", ".join(key for key in identity if before.get(key) != identity[key])
        raise UserError(
            f"{out} holds an export with another {changed}: choose another folder, or delete this one first"
        )


def _done(unit: Unit, out: Path) -> bool:
    file = out / WORK / f"{unit.name}.json"
    if not file.is_file():
        return False
    report = read_json(file, "report of a unit")
    return report["identity"] == unit.identity and all(
        (out / name).is_file() and (out / name).stat().st_size == size for name, size in report["files"].items()
    )


def _check_space(out: Path, size: int) -> None:
    free = shutil.disk_usage(out).free
    if size * SPARE > free:
        raise UserError(
            f"{out} needs {size * SPARE / 1e9:.1f} GB more, its disk has {free / 1e9:.1f} GB free: make room or choose "
            "a folder on another disk (what is written stays; the same command continues)"
        )
