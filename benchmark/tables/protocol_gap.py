"""The protocol gap: how far one and the same restored images move between protocols, against how far methods differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.metrics import METRICS
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.restoration import Result
from benchmark.tables.protocol_words import metric_words
from benchmark.tables.view import Cell, Records, Section, birth_line, embolden, head, number
from models.markdown import code

Scores = Mapping[str, Mapping[str, Result]]
"""Results by method, then by protocol with its version."""


def build(*, published: Path, records: Records) -> list[Section]:
    """Return a section for each test set on which a method was scored under two protocols or more."""
    del published  # these pages are about measured numbers alone
    sets: dict[tuple[str, str], dict[str, dict[str, Result]]] = {}
    for result in records.results:
        origin = (result.test_set.name, result.test_set.digest)
        sets.setdefault(origin, {}).setdefault(result.method.name, {})[str(result.protocol)] = result
    sections = []
    for origin in sorted(sets):
        methods = {name: found for name, found in sets[origin].items() if len(found) > 1}
        if methods:
            sections += _test_set(methods)
    return sections


def _test_set(methods: Scores) -> list[Section]:
    first = next(iter(next(iter(methods.values())).values()))
    used = {name: result.protocol for found in methods.values() for name, result in found.items()}
    order = list(PROTOCOLS)
    protocols = sorted(used, key=lambda p: (order.index(used[p].id) if used[p].id in order else len(order), p))
    parts = [_metric(name, methods, protocols) for name in METRICS]
    results = [result for found in methods.values() for result in found.values()]
    births = dict.fromkeys(birth_line(result) for result in results)
    top = Section(
        title=f"{first.test_set.title}, {first.test_set.n} images",
        kind="measured",
        headers=(),
        numeric=(),
        rows=(),
        intro=(
            f"Test set {code(first.test_set.name)}, digest {code(first.test_set.digest[:12])}. Every row is one set of "
            "restored images; the head of a column is its protocol. The gap is the largest number of a row minus the "
            "smallest.",
        ),
        births=tuple(births),
    )
    return [top, *[part for part in parts if part is not None]]


def _metric(metric: str, methods: Scores, protocols: Sequence[str]) -> Section | None:
    style = METRICS[metric]
    values = {
        name: [
            found[p].metrics[metric].number if p in found and metric in found[p].metrics else None for p in protocols
        ]
        for name, found in methods.items()
    }
    values = {name: row for name, row in values.items() if sum(v is not None for v in row) > 1}
    if not values:
        return None
    shown = [i for i, _ in enumerate(protocols) if any(row[i] is not None for row in values.values())]
    gaps = {name: _gap([v for v in row if v is not None]) for name, row in values.items()}
    columns = [
        embolden(
            [Cell(text=number(row[i], digits=style.decimals)) for row in values.values()],
            higher_is_better=style.higher_is_better,
        )
        for i in shown
    ]
    titles = {name: next(iter(methods[name].values())).method.title for name in values}
    cards = {f"{card.name} v{card.version}": card for card in PROTOCOLS.values()}
    lines = [
        f"{protocols[i]}: {words}"
        for i in shown
        if protocols[i] in cards and (words := metric_words(cards[protocols[i]], metric))
    ]
    return Section(
        title=head(style) + (f" ({style.unit})" if style.unit else ""),
        kind="measured",
        headers=tuple(Cell(text=t) for t in ("Method", *[protocols[i] for i in shown], "Gap")),
        numeric=(False, *[True] * (len(shown) + 1)),
        rows=tuple(
            (
                Cell(text=titles[name]),
                *[column[place] for column in columns],
                Cell(text=number(gaps[name], digits=style.decimals)),
            )
            for place, name in enumerate(values)
        ),
        remarks=(*lines, *_orders(metric, values, titles, [protocols[i] for i in shown], shown)),
        level=3,
    )


def _gap(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) - min(finite) if len(finite) > 1 else None


def _orders(
    metric: str,
    values: Mapping[str, Sequence[float | None]],
    titles: Mapping[str, str],
    names: Sequence[str],
    places: Sequence[int],
) -> list[str]:
    """Say whether the protocols put the methods in one order, when all were scored under all."""
    whole = {name: row for name, row in values.items() if all(row[i] is not None for i in places)}
    if len(whole) < 2:
        return []
    sign = -1 if METRICS[metric].higher_is_better else 1
    orders: dict[tuple[str, ...], list[str]] = {}
    for name, i in zip(names, places, strict=True):
        order = sorted(whole, key=lambda method: (sign * (whole[method][i] or 0.0), method))
        orders.setdefault(tuple(titles[method] for method in order), []).append(name)
    if len(orders) == 1:
        return [f"All protocols put the methods in one order: {', '.join(next(iter(orders)))}."]
    return [f"Order under {', '.join(names)}: {', '.join(order)}." for order, names in orders.items()]
