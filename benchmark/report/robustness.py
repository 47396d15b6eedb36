"""Robustness as pages: severity curves and tables of all methods on one set of clean images under one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.metrics import METRICS
from benchmark.report.figure import Drawing
from benchmark.report.markdown import page, section_text
from benchmark.report.robustness_figure import case_label, curves_drawing
from benchmark.results.robustness import KIND_TITLES, RobustnessResult
from benchmark.tables.protocol_words import column_line
from benchmark.tables.view import ABSENT, Cell, Section, birth_line, embolden, head, number
from models.files import sha256_json
from models.markdown import code, escape


@dataclass(frozen=True)
class Board:
    """All methods that went through the same degradations of the same images.

    Arguments:
        name: Of its files.
        results: One a method; the first of `results` says what all share.
    """

    name: str
    results: Sequence[RobustnessResult]

    @property
    def title(self) -> str:
        """What it is called in the index."""
        return f"{self.results[0].test_set.title}, protocol {self.results[0].protocol}"

    @property
    def about(self) -> str:
        """What it shows, in the index."""
        first = self.results[0]
        titles = ", ".join(result.method.title for result in self.results)
        return f"{len(first.cases)} degradations at five levels, {first.test_set.n} images: {titles}"

    @property
    def metrics(self) -> list[str]:
        """The metrics that any method was scored by."""
        return [name for name in METRICS if any(name in level.metrics for r in self.results for level in r.levels)]

    def page(self) -> str:
        """Return the page as Markdown."""
        first = self.results[0]
        blocks = [
            "[All tables](../README.md). Clean images were degraded from weak (level 1) to strong (level 5), restored "
            "and compared with the clean ones.",
            f"Clean images {code(first.test_set.name)}, {first.test_set.n}, digest {code(first.test_set.digest[:12])}; "
            f"seed of the degradations {first.degradation_seed}. {column_line(first.protocol, self.metrics)}",
        ]
        absent = {name: cause for r in self.results for name, cause in r.missing.items() if name not in self.metrics}
        blocks += [f"- {METRICS[name].label} is missing: {escape(cause)}" for name, cause in absent.items()]
        for metric in self.metrics:
            blocks += [section_text(section) for section in metric_sections(self, metric)]
        return page(f"Robustness: {escape(first.test_set.title)}", [*blocks, section_text(_specs(self))])

    def drawings(self) -> dict[str, Drawing]:
        """Return a figure for each metric, by name of its file."""
        return {
            f"{self.name}.{metric}.png": curves_drawing(self.results, metric, title=self.title)
            for metric in self.metrics
        }


def robustness_boards(results: Sequence[RobustnessResult]) -> list[Board]:
    """Group results that can stand beside each other: same images, protocol and degradations."""
    groups: dict[tuple[str, str, str], list[RobustnessResult]] = {}
    for result in results:
        specs = [[level.case, level.level, level.spec] for level in result.levels]
        key = sha256_json([result.test_set.digest, str(result.protocol), result.degradation_seed, specs])
        groups.setdefault((result.test_set.name, result.protocol.id, key), []).append(result)
    names = [key[:2] for key in groups]
    boards = []
    for (test_set, protocol, key), found in sorted(groups.items()):
        several = names.count((test_set, protocol)) > 1
        found.sort(key=lambda result: (result.method.network != "input", result.method.title))
        boards.append(Board(f"{test_set}.{protocol}" + (f".{key[:8]}" if several else ""), found))
    return boards


def metric_sections(board: Board, metric: str) -> list[Section]:
    """Return the means of each method, with the curves, then a table for each kind of cases."""
    kinds = [kind for kind in KIND_TITLES if kind in board.results[0].cases.values()]
    return [_means(board, metric, kinds), *[_kind(board, metric, kind) for kind in kinds]]


def _means(board: Board, metric: str, kinds: Sequence[str]) -> Section:
    style, first = METRICS[metric], board.results[0]
    cases = first.cases
    levels = first.level_numbers

    def mean(result: RobustnessResult, chosen: Sequence[tuple[str, int]]) -> str:
        values = [result.number(case, level, metric) for case, level in chosen]
        present = [value for value in values if value is not None]
        return number(sum(present) / len(present) if len(present) == len(values) else None, digits=style.decimals)

    columns: list[tuple[str, list[tuple[str, int]]]] = [
        (KIND_TITLES[kind], [(c, level) for c, k in cases.items() if k == kind for level in levels]) for kind in kinds
    ]
    columns += [(f"Level {level}", [(case, level) for case in cases]) for level in levels]
    columns.append(("All", [(case, level) for case in cases for level in levels]))
    cells = [
        embolden([Cell(text=mean(r, chosen)) for r in board.results], higher_is_better=style.higher_is_better)
        for _, chosen in columns
    ]
    heads = ["Method", *[text for text, _ in columns]]
    beside = next((r for r in board.results if r.method.network == "input"), None)
    if beside is not None:
        heads.append("Below the input")
        cells.append([Cell(text=_below(r, beside, metric)) for r in board.results])
    return Section(
        title=head(style) + (f" ({style.unit})" if style.unit else ""),
        kind="measured",
        headers=tuple(Cell(text=text) for text in heads),
        numeric=(False, *[True] * (len(heads) - 1)),
        rows=tuple((Cell(text=r.method.title), *[c[i] for c in cells]) for i, r in enumerate(board.results)),
        intro=("Means over cases and levels, each counting the same; bold is the best of a column.",),
        remarks=(
            *(
                ["Below the input: the cases and levels that a method makes worse, by the printed digits."]
                if beside is not None
                else []
            ),
            *_missing(board, metric),
        ),
        births=tuple(birth_line(result) for result in board.results) if metric == board.metrics[0] else (),
        figure=(f"{style.label} by severity", f"{board.name}.{metric}.png"),
    )


def _below(result: RobustnessResult, beside: RobustnessResult, metric: str) -> str:
    if result is beside:
        return ABSENT
    sign, digits = 1 if METRICS[metric].higher_is_better else -1, METRICS[metric].decimals
    worse = total = 0
    for level in beside.levels:
        ours, theirs = result.number(level.case, level.level, metric), beside.number(level.case, level.level, metric)
        if ours is not None and theirs is not None:
            total += 1
            worse += sign * round(ours, digits) < sign * round(theirs, digits)
    return f"{worse} of {total}" if total else ABSENT


def _missing(board: Board, metric: str) -> list[str]:
    label = METRICS[metric].label
    return [f"{label} of {r.method.title}: {r.missing[metric]}" for r in board.results if metric in r.missing]


def _kind(board: Board, metric: str, kind: str) -> Section:
    style, first = METRICS[metric], board.results[0]
    levels = first.level_numbers
    rows: list[tuple[Cell, ...]] = []
    for case in [name for name, k in first.cases.items() if k == kind]:
        values = [[r.number(case, level, metric) for level in levels] for r in board.results]
        means = [sum(v for v in row if v is not None) / len(row) if None not in row else None for row in values]
        columns = [
            embolden(
                [Cell(text=number(value, digits=style.decimals)) for value in column],
                higher_is_better=style.higher_is_better,
            )
            for column in [*zip(*values, strict=True), means]
        ]
        rows += [
            (Cell(text=case_label(case) if i == 0 else ""), Cell(text=r.method.title), *[c[i] for c in columns])
            for i, r in enumerate(board.results)
        ]
    return Section(
        title=f"{KIND_TITLES[kind]}: {head(style)}",
        kind="measured",
        headers=tuple(Cell(text=text) for text in ("Degradation", "Method", *[str(level) for level in levels], "Mean")),
        numeric=(False, False, *[True] * (len(levels) + 1)),
        rows=tuple(rows),
        level=3,
    )


def _specs(board: Board) -> Section:
    first = board.results[0]
    return Section(
        title="What the levels are",
        kind="measured",
        headers=tuple(Cell(text=text) for text in ("Degradation", "Level", "Spec")),
        numeric=(False, True, False),
        rows=tuple(
            (Cell(text=case_label(found.case)), Cell(text=str(found.level)), Cell(text=found.spec))
            for found in first.levels
        ),
    )
