"""What a table looks like before it becomes Markdown or HTML: sections of headed rows, the best in bold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmark.metrics import MetricCard
from benchmark.results.classification import ClassificationResult
from benchmark.results.counts import CountsResult
from benchmark.results.restoration import Result
from benchmark.results.robustness import RobustnessResult
from models.errors import UserError

ABSENT = "-"


@dataclass(frozen=True)
class Records:
    """Everything measured that a leaderboards folder holds; `per_image` returns the rows of a result, if it has any."""

    results: Sequence[Result] = ()
    classifications: Sequence[ClassificationResult] = ()
    counts: Sequence[CountsResult] = ()
    robustness: Sequence[RobustnessResult] = ()
    per_image: Callable[[Result], Sequence[Mapping[str, Any]] | None] = lambda result: None


@dataclass(frozen=True)
class Cell:
    """One cell: its text, whether it is the best of its column, and the numbers of the notes about it."""

    text: str
    bold: bool = False
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """One table with its heading.

    Arguments:
        title: Heading.
        kind: Whether the numbers were printed in a paper or measured here.
        headers: Column heads; `numeric` says which columns are aligned to the right.
        rows: The cells.
        intro: Lines above the table.
        remarks: Lines below the table; the note numbered i in a cell is `notes[i - 1]`.
        notes: Numbered notes.
        births: One line a row: command, commit and machine, as (label, command, rest).
        figure: A picture below the table, as (what it shows, path from the page); None for none.
        level: 2 for a section, 3 for a part of the section before it.
    """

    title: str
    kind: Literal["published", "measured"]
    headers: tuple[Cell, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    intro: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    births: tuple[tuple[str, str, str], ...] = ()
    figure: tuple[str, str] | None = None
    level: int = 2


def head(metric: MetricCard) -> str:
    """Return a metric's column head: its label with an arrow towards better."""
    return f"{metric.label} {'↑' if metric.higher_is_better else '↓'}"


def number(value: float | None, *, digits: int) -> str:
    """Print a number with fixed decimals, infinity as its sign and None as absent."""
    if value is None:
        return ABSENT
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def embolden(cells: Sequence[Cell], *, higher_is_better: bool) -> list[Cell]:
    """Mark the best cells of one column, by the printed digits, so that what looks equal is treated equally.

    A column with fewer than two numbers has no best.
    """
    values = [_read(cell.text) for cell in cells]
    present = [value for value in values if value is not None]
    if len(present) < 2:
        return list(cells)
    best = max(present) if higher_is_better else min(present)
    return [replace(cell, bold=value == best) for cell, value in zip(cells, values, strict=True)]


def _read(text: str) -> float | None:
    if text == ABSENT:
        return None
    return math.inf if text == "∞" else float(text)


def one_origin(results: Sequence[Result] | Sequence[ClassificationResult]) -> None:
    """Refuse results that must not stand in one column.

    Raises:
        UserError: They differ in test set or protocol, or there are none.
    """
    if not results:
        raise UserError("a measured section needs at least one result")
    for what, found in (
        ("test sets", sorted({f"{r.test_set.name} ({r.test_set.digest[:12]})" for r in results})),
        ("protocols", sorted({str(r.protocol) for r in results})),
    ):
        if len(found) > 1:
            raise UserError(f"one column cannot mix {what}: {', '.join(found)}; give each its own section")


def birth_line(result: Result | ClassificationResult | RobustnessResult) -> tuple[str, str, str]:
    """Return (title, command, the rest of the birth certificate) of a measured row."""
    method = result.method
    source = (
        ("weights", method.weights_sha256) if method.weights_sha256 else ("restored images", method.restored_digest)
    )
    rest = [
        short_commit(result.commit),
        f"tool {result.tool}",
        *([f"seed {result.seed}"] if result.seed is not None else []),
        *([f"{source[0]} {source[1][:12]}"] if source[1] else []),
        result.hardware,
        result.date,
    ]
    return method.title, result.command, ", ".join(rest)


def short_commit(commit: str | None) -> str:
    """Return twelve digits of a commit, keeping the mark of uncommitted changes."""
    if commit is None:
        return "outside git"
    digits, _, dirty = commit.partition("+")
    return f"commit {digits[:12]}{'+' + dirty if dirty else ''}"
