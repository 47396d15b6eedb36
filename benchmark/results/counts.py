"""The pair counts of a built dataset, kept beside the scores so that Table 1 can show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.results.files import (
    SCHEMA,
    check_place,
    check_schema,
    read_result_json,
    result_files,
    result_path,
    without_paths,
)
from benchmark.results.strict import parse, plain
from models.errors import UserError
from models.files import write_sealed
from models.vocabulary import SPLITS, check_word

FILE_NAME = "counts.json"


@dataclass(frozen=True)
class DatasetId:
    """Which built dataset: its name and the digest of its manifest."""

    name: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class CountsResult:
    """How many pairs of each type a built dataset holds, `{split: {degradation: n}}`.

    Raises:
        UserError: A split or a degradation is unknown, or a count is negative.
    """

    schema: int = SCHEMA
    kind: str = "counts"
    dataset: DatasetId
    counts: Mapping[str, Mapping[str, int]]
    commit: str | None
    command: str
    tool: str
    versions: Mapping[str, str | None]
    hardware: str
    date: str

    def __post_init__(self) -> None:
        check_schema(self.schema)
        if self.kind != "counts":
            raise UserError(f"kind is {self.kind!r}, expected 'counts'")
        for split, counts in self.counts.items():
            if split not in SPLITS:
                raise UserError(f"unknown split {split!r} (known: {', '.join(SPLITS)})")
            for word, n in counts.items():
                check_word(word)
                if n < 0:
                    raise UserError(f"{split} {word}: a count cannot be {n}")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, in which no string holds an absolute path."""
        return without_paths(plain(self))

    @classmethod
    def from_json(cls, value: Any, *, where: Path | str) -> CountsResult:
        """Read the JSON form strictly; errors name the file and the key."""
        if isinstance(value, Mapping):
            check_schema(value.get("schema"), where=where)
        return parse(cls, value, where=str(where))


def write_counts(leaderboards: Path, result: CountsResult) -> Path:
    """Write the counts to `results/<dataset>/counts.json`, atomically, and return the path."""
    path = _path(leaderboards, result)
    write_sealed(path, result.to_json())
    return path


def read_count(path: Path) -> CountsResult:
    """Read one counts file and compare it with its seal."""
    return CountsResult.from_json(read_result_json(path, "pair counts"), where=path)


def read_counts(leaderboards: Path) -> list[CountsResult]:
    """Read every counts file, sorted by path.

    Raises:
        UserError: A file is broken, was changed, or lies in a place that its content does not name.
    """
    found = []
    for path in result_files(leaderboards):
        if path.name == FILE_NAME:
            result = read_count(path)
            check_place(path, _path(leaderboards, result))
            found.append(result)
    return found


def _path(leaderboards: Path, result: CountsResult) -> Path:
    # The name comes out of a manifest; it is held to the form of all names of test sets.
    return result_path(leaderboards, test_set=result.dataset.name, method="counts", kind="counts").with_name(FILE_NAME)
