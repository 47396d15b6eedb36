"""The result of a robustness run: one method's scores under every degradation at every level, with its certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.results.agreement import IMAGE_METRICS, check_means, disagreement
from benchmark.results.files import (
    ROWS,
    check_schema,
    read_result_json,
    read_rows,
    result_path,
    without_paths,
    write_with_rows,
)
from benchmark.results.parts import Method, ProtocolId, Score, Setting, TestSet
from benchmark.results.restoration import NEW
from benchmark.results.strict import parse, plain
from models.errors import UserError

SCHEMA = 1
FOLDER = "robustness"
KIND_TITLES = {"known": "The ten types", "unseen": "Unseen degradations", "mixed": "Mixed degradations"}
"""The kinds of cases, in the order of the pages."""


@dataclass(frozen=True, kw_only=True)
class LevelScores:
    """The scores under one case at one level.

    Arguments:
        case: Name of the degradation or mixture.
        kind: One of `KIND_TITLES`.
        level: From 1 (weak) to 5 (strong).
        spec: What degraded the clean images.
        n: Images.
        metrics: Mean over the images, with its interval.
    """

    case: str
    kind: str
    level: int
    spec: str
    n: int
    metrics: Mapping[str, Score]

    def __post_init__(self) -> None:
        if self.kind not in KIND_TITLES:
            raise UserError(f"{self.case}: kind is {self.kind!r}, expected one of {', '.join(KIND_TITLES)}")


@dataclass(frozen=True, kw_only=True)
class RobustnessResult:
    """One method on one set of clean images, degraded in many ways; `test_set` is about the clean images.

    Raises:
        UserError: The schema is another one, a level appears twice, or two have different counts of images.
    """

    schema: int = SCHEMA
    kind: str = "robustness"
    method: Method
    test_set: TestSet
    protocol: ProtocolId
    degradation_seed: int
    levels: tuple[LevelScores, ...]
    missing: Mapping[str, str]
    seconds_per_image: float | None
    sampler: Any
    seed: int | None
    commit: str | None
    command: str
    tool: str
    versions: Mapping[str, str | None]
    hardware: str
    date: str
    setting: Setting | None = None
    rows_sha256: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_schema(self.schema)
        if self.kind != "robustness":
            raise UserError(f"kind is {self.kind!r}, expected 'robustness'")
        places = [(level.case, level.level) for level in self.levels]
        if not places or len(set(places)) != len(places):
            raise UserError("every case needs each of its levels once, and there must be at least one")
        if any(level.n != self.test_set.n for level in self.levels):
            raise UserError(f"every level must rest on the {self.test_set.n} images of the test set")

    @property
    def cases(self) -> dict[str, str]:
        """The cases in their order, and the kind of each."""
        return {level.case: level.kind for level in self.levels}

    @property
    def level_numbers(self) -> list[int]:
        """The levels that any case has, from weak to strong."""
        return sorted({level.level for level in self.levels})

    def number(self, case: str, level: int, metric: str) -> float | None:
        """Return one mean, or None when it was not measured."""
        for found in self.levels:
            if (found.case, found.level) == (case, level) and metric in found.metrics:
                return found.metrics[metric].number
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, in which no string holds an absolute path."""
        value = plain(self)
        del value[ROWS]
        if not value["setting"]:
            del value["setting"]
        for written, level in zip(value["levels"], self.levels, strict=True):
            written["metrics"] = {name: score.to_json() for name, score in level.metrics.items()}
        return without_paths(value)

    @classmethod
    def from_json(cls, value: Any, *, where: Path | str) -> RobustnessResult:
        """Read the JSON form strictly; errors name the file and the key."""
        if isinstance(value, Mapping):
            check_schema(value.get("schema"), where=where)
        return parse(cls, value, where=str(where))


def robustness_path(leaderboards: Path, *, test_set: str, method: str, protocol: str) -> Path:
    """Return where a robustness result lives.

    Raises:
        UserError: A name cannot be a file name.
    """
    name = result_path(leaderboards, test_set=test_set, method=method, kind=protocol).name
    return leaderboards / FOLDER / test_set / name


def write_robustness(leaderboards: Path, result: RobustnessResult, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write the result as JSON and, beside it, a row for each image at each level as Parquet; return the JSON's path.

    Arguments:
        leaderboards: The leaderboards folder.
        result: What to write.
        rows: `key`, `degradation` (the case), `level` and the metrics of each image.
    """
    path = _path(leaderboards, result)
    _check_rows(path.with_suffix(".parquet").name, result, rows)
    write_with_rows(path, result.to_json(), rows)
    return path


def read_robustness_result(path: Path) -> RobustnessResult:
    """Read one robustness result and compare it with its seal and with its rows.

    Raises:
        UserError: It is broken, was changed, or contradicts its rows.
    """
    result = RobustnessResult.from_json(read_result_json(path, "robustness result", new=NEW), where=path)
    table = path.with_suffix(".parquet")
    n = sum(level.n for level in result.levels)
    rows = read_rows(table, n=n, sha256=result.rows_sha256, numbers=(*IMAGE_METRICS, "level"))
    if rows is not None:
        _check_rows(str(table), result, rows)
    return result


def read_robustness(leaderboards: Path) -> list[RobustnessResult]:
    """Read every robustness result, sorted by path.

    Raises:
        UserError: A file is broken, was changed, contradicts its rows, or lies in a place that its content does not
            name.
    """
    found = []
    for path in sorted((leaderboards / FOLDER).glob("*/*.json")):
        result = read_robustness_result(path)
        if (expected := _path(leaderboards, result)).relative_to(leaderboards) != path.relative_to(leaderboards):
            raise UserError(f"{path}: its content belongs in {expected.parent.name}/{expected.name}")
        found.append(result)
    return found


def _check_rows(where: str, result: RobustnessResult, rows: Sequence[Mapping[str, Any]]) -> None:
    by_place: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        by_place.setdefault((row["degradation"], row.get("level", 0)), []).append(row)
    if by_place.keys() != {(level.case, level.level) for level in result.levels}:
        raise disagreement(where, "the cases and levels")
    for level in result.levels:
        mine = by_place[level.case, level.level]
        if len(mine) != level.n:
            raise disagreement(where, f"the number of images of {level.case} at level {level.level}")
        check_means(where, mine, level.metrics, of=f" of {level.case} at level {level.level}")


def _path(leaderboards: Path, result: RobustnessResult) -> Path:
    return robustness_path(
        leaderboards, test_set=result.test_set.name, method=result.method.name, protocol=result.protocol.id
    )
