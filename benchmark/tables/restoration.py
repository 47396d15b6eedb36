"""Tables 2a-2d and 3: printed scores, then one section for each test set and protocol that was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.metrics import METRICS
from benchmark.results.restoration import Result
from benchmark.tables import TableCard
from benchmark.tables.protocol_words import column_line
from benchmark.tables.published import PublishedScores, published_section, read_published
from benchmark.tables.view import ABSENT, Cell, Records, Section, birth_line, embolden, head, number, one_origin
from models.markdown import code
from models.vocabulary import DEGRADATIONS, in_order, label

PerImage = Callable[[Result], Sequence[Mapping[str, Any]] | None]


def build(*, card: TableCard, published: Path, records: Records) -> list[Section]:
    """Return the published section and the measured ones, those under the table's own protocol first."""
    sections = [published_section(read_published(PublishedScores, published, table=card.name))]
    origins: dict[tuple[str, ...], list[Result]] = {}
    for result in records.results:
        if belongs(card, result):
            origin = (
                "" if result.protocol.id == card.protocol else result.protocol.id,
                str(result.protocol.version),
                result.test_set.name,
                result.test_set.digest,
            )
            origins.setdefault(origin, []).append(result)
    for origin in sorted(origins):
        sections.extend(measured_sections(card, origins[origin], per_image=records.per_image))
    return sections


def belongs(card: TableCard, result: Result) -> bool:
    """Say whether the table shows this result: by the types of its test set and, for Table 2, by the set's name."""
    if card.degradation is None:
        return len(result.test_set.degradations) > 1
    same_source = card.test_set_source is None or result.test_set.name.startswith(card.test_set_source)
    return result.test_set.degradations == (card.degradation,) and same_source


def measured_sections(
    card: TableCard, results: Sequence[Result], *, per_image: PerImage = lambda result: None
) -> list[Section]:
    """Show results of one test set under one protocol, best first, the best of each column in bold.

    A table over several types gets one more part per metric, with a column for each type.

    Arguments:
        card: The table.
        results: What it shows.
        per_image: Returns the rows of a result, from which follows what is as good as the best.

    Raises:
        UserError: The results differ in test set or protocol, or there are none.
    """
    one_origin(results)
    ordered = sorted(results, key=lambda r: (-_value(r, card.metrics[0], default=-math.inf), r.method.name))
    metrics = shown_metrics(card, ordered)
    parts = [_overall(card, ordered, metrics, per_image)]
    if card.degradation is None:
        parts += [_per_type(name, ordered) for name in metrics if any(_has(r, name) for r in ordered)]
    return parts


def shown_metrics(card: TableCard, results: Sequence[Result]) -> tuple[str, ...]:
    """Return the columns: the table's metrics but those that are no part of the protocol, and further scored ones."""
    told = {name for r in results for name in (*r.metrics, *r.missing)}
    scored = {name for r in results for name in r.metrics}
    return tuple(name for name in METRICS if name in scored or (name in card.metrics and name in told)) or card.metrics


def significance_marks(results: Sequence[Result], metric: str, per_image: PerImage) -> list[str]:
    """Return for each result the mark of a mean that is as good as the best, by paired tests; see `LEGEND`."""
    if METRICS[metric].kind != "image" or len(results) < 2:
        return [""] * len(results)
    from benchmark.results.paired_tests import against_best, mark

    rows = {r.method.name: found for r in results if (found := per_image(r)) is not None}
    tests = against_best(rows, metric, higher_is_better=METRICS[metric].higher_is_better)
    return [mark(tests.get(r.method.name)) for r in results]


def _value(result: Result, metric: str, *, default: float) -> float:
    return result.metrics[metric].number if metric in result.metrics else default


def _has(result: Result, metric: str) -> bool:
    return any(metric in group.metrics for group in result.groups.values())


def _overall(card: TableCard, results: Sequence[Result], metrics: Sequence[str], per_image: PerImage) -> Section:
    first = results[0]
    marked = False
    columns: list[tuple[str, list[Cell]]] = [("Method", [Cell(text=r.method.title) for r in results])]
    for name in metrics:
        style = METRICS[name]
        scores = [r.metrics.get(name) for r in results]
        cells = [Cell(text=number(s.number if s else None, digits=style.decimals)) for s in scores]
        cells = embolden(cells, higher_is_better=style.higher_is_better)
        marks = significance_marks(results, name, per_image)
        marked = marked or any(marks)
        cells = [replace(cell, text=cell.text + mark) for cell, mark in zip(cells, marks, strict=True)]
        columns.append((head(style), cells))
        if name == "psnr":
            bounds = [s.ci95 if s else None for s in scores]
            columns.append(("95 % interval", [Cell(text=f"[{b[0]:.2f}, {b[1]:.2f}]" if b else ABSENT) for b in bounds]))
    columns.append(("n", [Cell(text=_count(r)) for r in results]))
    columns.append(("Parameters", [Cell(text=_millions(r.method.parameters)) for r in results]))
    columns.append(("s / image", [Cell(text=number(r.cost.seconds_per_image, digits=3)) for r in results]))
    own = first.protocol.id == card.protocol
    return Section(
        title=f"Measured: {first.test_set.title}, protocol {first.protocol}",
        kind="measured",
        headers=tuple(Cell(text=label) for label, _ in columns),
        numeric=tuple(label != "Method" for label, _ in columns),
        rows=tuple(zip(*[cells for _, cells in columns], strict=True)),
        intro=(
            f"Test set {code(first.test_set.name)}, {first.test_set.n} pairs, digest "
            f"{code(first.test_set.digest[:12])}; protocol {code(str(first.protocol))}"
            f"{'' if own else ', which is not the protocol of this table'}. "
            "Bold is the best of this section only.",
            column_line(first.protocol, metrics),
        ),
        remarks=(
            *(_legend() if marked else ()),
            *(_group_sizes(results) if card.degradation is None else ()),
            *_missing(metrics, results),
            *[f"{r.method.title}: {r.method.note}" for r in results if r.method.note],
        ),
        births=tuple(birth_line(r) for r in results),
    )


def _legend() -> tuple[str]:
    from benchmark.results.paired_tests import LEGEND

    return (LEGEND,)


def _count(result: Result) -> str:
    return str(result.n) if result.n == result.test_set.n else f"{result.n} of {result.test_set.n}"


def _millions(parameters: int | None) -> str:
    if parameters is None:
        return ABSENT
    return f"{parameters / 1e6:.2f} M" if parameters >= 10_000 else str(parameters)


def _missing(metrics: Sequence[str], results: Sequence[Result]) -> list[str]:
    """Say once per cause what an absent number needs."""
    causes: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for name in metrics:
            if name not in result.metrics:
                cause = result.missing.get(name, "it was not asked for when this result was made")
                causes.setdefault((name, cause), []).append(result.method.title)
    return [
        f"{METRICS[name].label} is missing{'' if len(who) == len(results) else ' for ' + ', '.join(who)}: {cause}"
        for (name, cause), who in causes.items()
    ]


def _per_type(metric: str, results: Sequence[Result]) -> Section:
    style = METRICS[metric]
    columns = []
    types = in_order({*DEGRADATIONS, *(word for r in results for word in r.groups)})
    for word in types:
        groups = [r.groups.get(word) for r in results]
        scores = [g.metrics.get(metric) if g else None for g in groups]
        columns.append([Cell(text=number(s.number if s else None, digits=style.decimals)) for s in scores])
    overall = [r.metrics.get(metric) for r in results]
    columns.append([Cell(text=number(s.number if s else None, digits=style.decimals)) for s in overall])
    columns = [embolden(cells, higher_is_better=style.higher_is_better) for cells in columns]
    return Section(
        title=f"{head(style)} per type",
        kind="measured",
        headers=tuple(Cell(text=text) for text in ("Method", *[label(word) for word in types], "Mean")),
        numeric=(False, *[True] * (len(types) + 1)),
        rows=tuple((Cell(text=r.method.title), *[c[i] for c in columns]) for i, r in enumerate(results)),
        level=3,
    )


def _group_sizes(results: Sequence[Result]) -> list[str]:
    """Say how many images each type has, when that is the same for every row."""
    sizes = {tuple((word, r.groups[word].n) for word in in_order(r.groups)) for r in results}
    if len(sizes) != 1:
        return []
    listed = ", ".join(f"{label(word)} {n}" for word, n in next(iter(sizes)))
    return [f"Every number is the unweighted mean over the types. Images per type: {listed}."]
