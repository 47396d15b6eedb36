"""The result: one method on one test set under one protocol, with its birth certificate; schema 1.

Files written before results had a seal (`rows_sha256`, `setting` and `seal` are absent then) are read as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.results.agreement import IMAGE_METRICS, check_scores
from benchmark.results.files import (
    ROWS,
    SCHEMA,
    check_place,
    check_rows,
    check_schema,
    read_result_json,
    read_rows,
    result_files,
    result_path,
    without_paths,
    write_rows,
    write_with_rows,
)
from benchmark.results.parts import Cost, Group, Method, ProtocolId, Score, Setting, TestSet
from benchmark.results.strict import parse, plain
from models.errors import UserError

__all__ = ["Result", "read_per_image", "read_results", "result_path", "write_result", "write_rows"]


NEW = (ROWS, "setting")
"""Keys that results of before had not."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One method, one test set, one protocol.

    `metrics` is the unweighted mean over `groups` (the rule of the paper's Table 3); where no type is known (a folder
    of images), `groups` is empty and `metrics` stands alone. `missing` says in one line per metric what would fill it.
    `pooled` holds the set metrics over the images of all groups together, which are no means of anything.
    `rows_sha256` is the digest of the rows beside a file that was read; it is no part of what was measured.

    Raises:
        UserError: The overall numbers do not follow from the groups, or the schema is another one.
    """

    schema: int = SCHEMA
    method: Method
    test_set: TestSet
    protocol: ProtocolId
    n: int
    metrics: Mapping[str, Score]
    groups: Mapping[str, Group]
    missing: Mapping[str, str]
    cost: Cost
    sampler: Any
    seed: int | None
    commit: str | None
    command: str
    tool: str
    versions: Mapping[str, str | None]
    hardware: str
    date: str
    pooled: Mapping[str, Score] = field(default_factory=dict)
    setting: Setting | None = None
    rows_sha256: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_schema(self.schema)
        if both := sorted(set(self.metrics) & set(self.missing)):
            raise UserError(f"{', '.join(both)}: both scored and missing")
        if not self.groups:
            return
        if self.n != sum(group.n for group in self.groups.values()):
            raise UserError(f"n is {self.n}, but the groups hold {sum(group.n for group in self.groups.values())}")
        for name, score in self.metrics.items():
            mean = mean_over_groups(self.groups, name)
            if mean is None:
                raise UserError(f"{name} has an overall value, but not in every group")
            if mean != score.number and not math.isclose(mean, score.number, rel_tol=1e-9, abs_tol=1e-9):
                raise UserError(f"{name} is {score.number}, but the unweighted mean over the groups is {mean}")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, in which no string holds an absolute path."""
        value = plain(self)
        value["metrics"] = {name: score.to_json() for name, score in self.metrics.items()}
        value["pooled"] = {name: score.to_json() for name, score in self.pooled.items()}
        del value[ROWS]
        for name in ("pooled", "setting"):
            if not value[name]:
                del value[name]
        for word, group in self.groups.items():
            value["groups"][word]["metrics"] = {name: score.to_json() for name, score in group.metrics.items()}
        return without_paths(value)

    @classmethod
    def from_json(cls, value: Any, *, where: Path | str) -> Result:
        """Read the JSON form strictly.

        Raises:
            UserError: A key is unknown, missing or of a wrong type, the protocol id is missing, or the numbers
                contradict each other; the message names the file and the key.
        """
        if isinstance(value, Mapping):
            check_schema(value.get("schema"), where=where)
            protocol = value.get("protocol")
            if not isinstance(protocol, Mapping) or not protocol.get("id"):
                raise UserError(
                    f"{where}: protocol.id is missing: a score without a protocol id cannot be compared with anything"
                )
        return parse(cls, value, where=str(where))


Keep = Callable[[Result, list[dict[str, Any]] | None], None]


def mean_over_groups(groups: Mapping[str, Group], metric: str) -> float | None:
    """Return the unweighted mean of `metric` over the groups, or None when a group lacks it."""
    scores = [group.metrics[metric].number for group in groups.values() if metric in group.metrics]
    return math.fsum(scores) / len(scores) if scores and len(scores) == len(groups) else None


def write_result(leaderboards: Path, result: Result, per_image: Sequence[Mapping[str, Any]]) -> Path:
    """Write the per-image scores as Parquet and then, last, the result as JSON; both appear whole or not at all.

    Arguments:
        leaderboards: The leaderboards folder.
        result: What to write.
        per_image: One row an image: `key`, `degradation`, then one number (or None) per metric.

    Returns:
        The path of the JSON file; the Parquet file has the same stem.

    Raises:
        UserError: The rows do not belong to the result: another count, keys that repeat, or uneven columns.
    """
    path = result_path(leaderboards, test_set=result.test_set.name, method=result.method.name, kind=result.protocol.id)
    write_pair(path, result, per_image)
    return path


def write_pair(path: Path, result: Result, per_image: Sequence[Mapping[str, Any]]) -> None:
    """Write a result as JSON to `path` and its rows as Parquet beside it, of the same stem; see `write_result`."""
    name = path.with_suffix(".parquet").name
    check_rows(name, per_image, n=result.n)
    check_scores(name, per_image, metrics=result.metrics, groups=result.groups)
    write_with_rows(path, result.to_json(), per_image)


def read_per_image(leaderboards: Path, result: Result) -> list[dict[str, Any]] | None:
    """Return the rows of a result, one an image, or None when there are none that belong to it.

    Raises:
        UserError: The file is there, but broken, changed, or contradicts the result.
    """
    path = result_path(leaderboards, test_set=result.test_set.name, method=result.method.name, kind=result.protocol.id)
    return rows_beside(path, result)


def rows_beside(path: Path, result: Result) -> list[dict[str, Any]] | None:
    """Return the rows beside the JSON file of a result; see `read_per_image`."""
    table = path.with_suffix(".parquet")
    rows = read_rows(table, n=result.n, sha256=result.rows_sha256, numbers=IMAGE_METRICS)
    if rows is not None:
        check_scores(str(table), rows, metrics=result.metrics, groups=result.groups)
    return rows


def read_result(path: Path, keep: Keep = lambda result, rows: None) -> Result:
    """Read one restoration result and compare it with its seal and with its rows.

    Arguments:
        path: The JSON file.
        keep: Called with the result and its rows, if it has any.

    Raises:
        UserError: It is broken, was changed, or contradicts its rows.
    """
    result = Result.from_json(read_result_json(path, "result", new=NEW), where=path)
    keep(result, rows_beside(path, result))
    return result


def read_results(leaderboards: Path, keep: Keep = lambda result, rows: None) -> list[Result]:
    """Read every restoration result, sorted by path.

    Arguments:
        leaderboards: The leaderboards folder.
        keep: Called with each result and its rows, if it has any.

    Raises:
        UserError: A file is broken, was changed, contradicts its rows, or lies in a place that its content does not
            name.
    """
    found = []
    for path in result_files(leaderboards):
        if path.name == "counts.json" or path.name.endswith(".classification.json"):
            continue
        result = read_result(path, keep)
        expected = result_path(
            leaderboards, test_set=result.test_set.name, method=result.method.name, kind=result.protocol.id
        )
        check_place(path, expected)
        found.append(result)
    return found
