"""Writing a dataset in another layout: unit by unit, resumable, never over foreign files."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmark.dataset.folder import Dataset
from benchmark.export import LAYOUTS
from benchmark.export.names import split_folder
from models.errors import UserError
from models.files import below, read_sealed, sha256_file, sha256_json, single_writer, sweep_partials, write_sealed

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
        write: Writes its files and returns their paths below the folder, with their SHA-256.
    """

    name: str
    rows: int
    size: int
    write: Callable[[], Mapping[Path, str]]
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

    A unit counts as done when all files that it wrote are there as they were written; one that was changed since is
    written anew, with a word to the user. `export.json` is written last.

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
        write_sealed(work / "plan.json", identity)
        sweep_partials(out)
        left = [unit for unit in plan.units if not _done(unit, out)]
        _check_space(out, sum(unit.size for unit in left))
        done = sum(unit.rows for unit in plan.units) - sum(unit.rows for unit in left)
        progress(done)
        for unit in left:
            (work / f"{unit.name}.json").unlink(missing_ok=True)
            written = unit.write()
            files = {path.relative_to(out).as_posix(): [path.stat().st_size, sha] for path, sha in written.items()}
            write_sealed(work / f"{unit.name}.json", {"identity": unit.identity, "files": files})
            done += unit.rows
            progress(done)
        again = "run the same command again"
        reports = [read_sealed(work / f"{unit.name}.json", "report of a unit", remedy=again) for unit in plan.units]
        record = {
            **identity,
            **plan.facts,
            "files": sum(len(report["files"]) for report in reports),
            "bytes": sum(size for report in reports for size, _ in report["files"].values()),
            "captions": sha256_json([unit.identity for unit in plan.units]),
        }
        write_sealed(out / RECORD, record)
    return record


def plan_export(data: Dataset, out: Path, *, layout: str, options: Options) -> Plan:
    """Return the plan of a layout.

    Raises:
        UserError: There is no such layout, it needs captions that the dataset has not got, or the dataset is not what
            its manifest and its captions say.
    """
    for split in data.manifest["splits"]:
        split_folder(split)
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
    for name in (".lock", WORK, RECORD, f"{WORK}/plan.json"):
        if (out / name).is_symlink():
            raise UserError(f"{out / name} is a link, and nothing is written through links: remove it")
    found = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    found = [name for name in found if name != ".lock" and not name.endswith(".partial")]
    if not found or (found == [WORK] and not (out / WORK / "plan.json").is_file()):
        return
    if not (out / WORK / "plan.json").is_file():
        raise UserError(f"{out} already holds other files ({', '.join(found[:3])}): choose an empty or a new folder")
    file, remedy = out / WORK / "plan.json", "choose another folder, or delete this one first"
    before = read_sealed(file, "plan of the export", required=False, remedy=remedy)
    if before.keys() != identity.keys():
        raise UserError(f"the plan of the export {file} is not as this program writes it: {remedy}")
    if before != identity:
        changed = ", ".join(key for key in identity if before.get(key) != identity[key])
        raise UserError(f"{out} holds an export with another {changed}: {remedy}")


def _done(unit: Unit, out: Path) -> bool:
    file = out / WORK / f"{unit.name}.json"
    if not file.is_file():
        return False
    try:
        report = read_sealed(file, "report of a unit", remedy="")
        files = {below(out, name): (size, sha256) for name, (size, sha256) in report["files"].items()}
    except (UserError, KeyError, TypeError, ValueError, AttributeError):  # damaged, or of an earlier version
        return False
    if report.get("identity") != unit.identity:
        return False
    for path, (size, sha256) in files.items():
        if not path.is_file():
            return False
        if path.stat().st_size != size or sha256_file(path) != sha256:
            logging.getLogger(__name__).warning("%s was changed after it was exported: it is written anew", path)
            return False
    return True


def _check_space(out: Path, size: int) -> None:
    free = shutil.disk_usage(out).free
    if size * SPARE > free:
        raise UserError(
            f"{out} needs {size * SPARE / 1e9:.1f} GB more, its disk has {free / 1e9:.1f} GB free: make room or choose "
            "a folder on another disk (what is written stays; the same command continues)"
        )
