"""Seals for results that were written before results had one: checked as far as they can be, and then sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.results.classification import read_classification
from benchmark.results.counts import FILE_NAME as COUNTS
from benchmark.results.counts import read_count
from benchmark.results.files import ROWS, is_sealed, read_result_json, result_files
from benchmark.results.measurements import read_measurements
from benchmark.results.restoration import read_result
from benchmark.results.robustness import FOLDER as ROBUSTNESS
from benchmark.results.robustness import read_robustness_result
from benchmark.results.sweep import read_sweep
from models.errors import UserError
from models.files import sha256_file, write_sealed


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """One file that was given its seal.

    Arguments:
        path: The file.
        told: What could be checked before.
    """

    path: Path
    told: str


def recorded(leaderboards: Path) -> Iterator[tuple[Path, Callable[[Path], Any]]]:
    """Yield every file of results in a leaderboards folder, with what reads it and compares it with its rows."""
    for path in result_files(leaderboards):
        if path.name == COUNTS:
            yield path, read_count
        elif path.name.endswith(".classification.json"):
            yield path, read_classification
        else:
            yield path, read_result
    for path in sorted((leaderboards / ROBUSTNESS).glob("*/*.json")):
        yield path, read_robustness_result
    for path in sorted((leaderboards / "nfe").glob("*.json")):
        yield path, read_sweep
    for path in sorted((leaderboards / "speed").glob("networks*.json")):
        yield path, read_measurements


def unsealed(leaderboards: Path) -> list[Path]:
    """Return the files of results that have no seal: a change of theirs would go unseen."""
    return [path for path, _ in recorded(leaderboards) if not is_sealed(path)]


def seal_results(leaderboards: Path) -> list[Sealed]:
    """Give a seal to every file of results that has none, and to those with rows the digest of these.

    All files are read first, and those that have a seal compared with it: nothing is written where one contradicts
    itself or its rows.

    Raises:
        UserError: A file is broken, was changed after it was sealed, or contradicts its rows.
    """
    waiting = []
    for path, read in recorded(leaderboards):
        read(path)
        if not is_sealed(path):
            value, rows = read_result_json(path, "result"), path.with_suffix(".parquet")
            _refuse_others_rows(rows, value)
            waiting.append((path, value, rows))
    done = []
    for path, value, rows in waiting:
        told = "there are no rows to compare it with"
        if rows.is_file():
            value[ROWS] = sha256_file(rows)
            told = "its numbers follow from its rows"
        write_sealed(path, value)
        done.append(Sealed(path=path, told=told))
    return done


def _refuse_others_rows(rows: Path, value: Mapping[str, Any]) -> None:
    """Refuse rows of another count, which are read as if there were none where no digest ties them to the result."""
    import pyarrow.parquet as pq

    n = value["n"] if "n" in value else sum(level["n"] for level in value.get("levels", ()))
    if rows.is_file() and pq.ParquetFile(rows).metadata.num_rows != n:
        raise UserError(
            f"{rows} has not one row for each of the {n} images of its result: delete it, or put back the one that "
            "was written with the result"
        )
