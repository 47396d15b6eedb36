"""The result of classifying degradations: accuracy per type, confusion matrix, calibration, birth certificate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.results.agreement import check_answers
from benchmark.results.calibration import Calibration
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
    write_with_rows,
)
from benchmark.results.parts import Method, ProtocolId, TestSet
from benchmark.results.provenance import Birth
from benchmark.results.strict import parse, plain
from models.errors import UserError
from models.files import write_sealed
from models.vocabulary import DEGRADATIONS

PROTOCOL = ProtocolId(id="accuracy", version=1)
"""Argmax of the cosine between the image's degradation embedding and the bare-word prompts."""

TEXTS, NUMBERS = ("key", "degradation", "answer"), ("confidence", "probability_of_truth")
"""The columns of the answers."""


@dataclass(frozen=True)
class TypeAccuracy:
    """The share of one type's images that were recognised."""

    n: int
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class ClassificationResult:
    """One classifier on one test set.

    `confusion[i][j]` counts the images of type i that were called type j, in the order of `types`: the ten, and those
    that the test set has beyond them. `accuracy` is the unweighted mean over the types that have images. `calibration`
    is over all images; results of an older version have none.

    Raises:
        UserError: The matrix does not fit the types, or the accuracies do not follow from it.
    """

    schema: int = SCHEMA
    kind: str = "classification"
    method: Method
    test_set: TestSet
    protocol: ProtocolId
    n: int
    accuracy: float
    groups: Mapping[str, TypeAccuracy]
    confusion: tuple[tuple[int, ...], ...]
    types: tuple[str, ...]
    chance: float
    seed: int | None
    commit: str | None
    command: str
    tool: str
    versions: Mapping[str, str | None]
    hardware: str
    date: str
    calibration: Calibration | None = None
    rows_sha256: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_schema(self.schema)
        if self.kind != "classification":
            raise UserError(f"kind is {self.kind!r}, expected 'classification'")
        groups = per_type(self.confusion, self.types)
        same = set(groups) == set(self.groups) and all(
            groups[word].n == self.groups[word].n
            and math.isclose(groups[word].accuracy, self.groups[word].accuracy, abs_tol=1e-9)
            for word in groups
        )
        mean = math.fsum(group.accuracy for group in groups.values()) / len(groups)
        if not same or self.n != sum(g.n for g in groups.values()) or abs(mean - self.accuracy) > 1e-9:
            raise UserError("the accuracies or counts do not follow from the confusion matrix")

    @classmethod
    def from_confusion(
        cls,
        confusion: Sequence[Sequence[int]],
        *,
        method: Method,
        test_set: TestSet,
        seed: int | None,
        birth: Birth,
        types: Sequence[str] = DEGRADATIONS,
        calibration: Calibration | None = None,
    ) -> ClassificationResult:
        """Build the result from a square matrix of counts (rows: true type, columns: answer) over the types."""
        matrix = tuple(tuple(int(count) for count in row) for row in confusion)
        groups = per_type(matrix, types)
        return cls(
            method=method,
            test_set=test_set,
            protocol=PROTOCOL,
            n=sum(group.n for group in groups.values()),
            accuracy=math.fsum(group.accuracy for group in groups.values()) / len(groups),
            groups=groups,
            confusion=matrix,
            chance=1 / len(types),
            types=tuple(types),
            seed=seed,
            calibration=calibration,
            **birth,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, in which no string holds an absolute path."""
        value = plain(self)
        del value[ROWS]
        return without_paths(value)

    @classmethod
    def from_json(cls, value: Any, *, where: Path | str) -> ClassificationResult:
        """Read the JSON form strictly; errors name the file and the key."""
        if isinstance(value, Mapping):
            check_schema(value.get("schema"), where=where)
        return parse(cls, value, where=str(where))


def per_type(confusion: Sequence[Sequence[int]], types: Sequence[str] = DEGRADATIONS) -> dict[str, TypeAccuracy]:
    """Return count and accuracy of every type that has images.

    Raises:
        UserError: The matrix has not one row and column of counts a type, or it is empty.
    """
    size = len(types)
    if len(confusion) != size or any(len(row) != size or min(row) < 0 for row in confusion):
        raise UserError(f"a confusion matrix has {size} x {size} counts")
    found = {
        word: TypeAccuracy(n=sum(row), accuracy=row[i] / sum(row))
        for i, (word, row) in enumerate(zip(types, confusion, strict=True))
        if sum(row)
    }
    if not found:
        raise UserError("the confusion matrix holds no image")
    return found


def write_classification(
    leaderboards: Path, result: ClassificationResult, rows: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Write the result to `results/<test set>/<method>.classification.json`, whole or not at all.

    Arguments:
        leaderboards: The leaderboards folder.
        result: What to write.
        rows: The answer to each image, for a Parquet file of the same stem; none to write no such file.

    Returns:
        The path of the JSON file.
    """
    path = _path(leaderboards, result)
    table = path.with_suffix(".parquet")
    if not rows:
        table.unlink(missing_ok=True)  # answers of another run
        write_sealed(path, result.to_json())
        return path
    check_rows(path.name, rows, n=result.n)
    _check_answers(table.name, result, rows)
    write_with_rows(path, result.to_json(), rows)
    return path


def read_classification(path: Path) -> ClassificationResult:
    """Read one classification result and compare it with its seal and with the answers beside it.

    Raises:
        UserError: It is broken, was changed, or contradicts its rows.
    """
    result = ClassificationResult.from_json(read_result_json(path, "classification result"), where=path)
    table = path.with_suffix(".parquet")
    rows = read_rows(table, n=result.n, sha256=result.rows_sha256, numbers=NUMBERS, texts=TEXTS)
    if rows is not None:
        _check_answers(str(table), result, rows)
    return result


def read_classifications(leaderboards: Path) -> list[ClassificationResult]:
    """Read every classification result, sorted by path.

    Raises:
        UserError: A file is broken, was changed, contradicts its rows, or lies in another place than its content names.
    """
    found = []
    for path in result_files(leaderboards):
        if path.name.endswith(".classification.json"):
            result = read_classification(path)
            check_place(path, _path(leaderboards, result))
            found.append(result)
    return found


def _check_answers(where: str, result: ClassificationResult, rows: Sequence[Mapping[str, Any]]) -> None:
    sure = None if result.calibration is None else result.calibration.confidence
    check_answers(where, rows, types=result.types, confusion=result.confusion, confidence=sure)


def _path(leaderboards: Path, result: ClassificationResult) -> Path:
    return result_path(leaderboards, test_set=result.test_set.name, method=result.method.name, kind="classification")
