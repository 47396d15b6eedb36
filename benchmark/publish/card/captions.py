"""The captions of a dataset folder: which there are, by whom, and how the hub's configurations call them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from captioning.sets import current_set
from captioning.tables import read_table
from models.vocabulary import SPLITS

FOLDER = "captions"


@dataclass(frozen=True)
class CaptionSet:
    """Captions by one captioner.

    Arguments:
        config: Name of the configuration: `"captions"` for those in use, `"captions-NAME"` for further sets.
        files: Path inside the dataset, by split.
        rows: Number of rows, by split.
        captioner: Who wrote them.
        schema: Their columns.
    """

    config: str
    files: dict[str, str]
    rows: dict[str, int]
    captioner: str
    schema: pa.Schema


def caption_files(folder: Path) -> list[str]:
    """Return the paths inside a dataset of everything that belongs to its captions, reports left out."""
    record = folder / FOLDER / "current.json"
    found = [path for files in _found(folder).values() for path in files.values()]
    return [path.relative_to(folder).as_posix() for path in [*found, *([record] if record.is_file() else [])]]


def caption_sets(folder: Path) -> list[CaptionSet]:
    """Return the captions of a dataset folder: those in use first, then the sets of other captioners.

    Raises:
        UserError: A caption file cannot be read, or was changed after it was written.
    """
    current = current_set(folder / FOLDER)
    found = {name: files for name, files in _found(folder).items() if name != current}
    return [_caption_set(folder, name, files) for name, files in found.items()]


def _found(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the caption files by set and split; the set in use, whose files lie on top, has the name ""."""
    top = folder / FOLDER
    places = {"": top} | {
        path.name: path for path in sorted(top.glob("*")) if path.is_dir() and not path.name.startswith(".")
    }
    found = {
        name: {split: file for split in SPLITS if (file := place / f"{split}.parquet").is_file()}
        for name, place in places.items()
    }
    return {name: files for name, files in found.items() if files}


def _caption_set(folder: Path, name: str, files: dict[str, Path]) -> CaptionSet:
    tables = {}
    for split, path in files.items():
        tables[split] = read_table(path)
    first = next(iter(tables.values()))
    told = first["captioner"] if "captioner" in first.column_names else None
    return CaptionSet(
        config="-".join(["captions", *([re.sub(r"[^A-Za-z0-9_-]+", "-", name)] if name else [])]),
        files={split: path.relative_to(folder).as_posix() for split, path in files.items()},
        rows={split: table.num_rows for split, table in tables.items()},
        captioner=str(told[0]) if told is not None and len(told) else name or "unknown",
        schema=first.schema,
    )
