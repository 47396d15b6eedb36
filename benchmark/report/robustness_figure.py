"""Severity curves: a panel for each degradation, a line for each method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmark.metrics import METRICS
from benchmark.report.figure import Drawing, new_figure
from benchmark.results.robustness import RobustnessResult
from benchmark.tables.view import head
from models.vocabulary import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWING = 2
"""Raised whenever the figure changes for the same numbers."""
ACROSS = 5
"""Panels in a row."""

Curves = Mapping[str, Mapping[str, Sequence[float | None]]]
"""The means over the levels, by method and case; None where there is no finite number."""


def case_label(case: str) -> str:
    """Return how pages call a case."""
    return " + ".join(label(word) for word in case.split("+"))


def curves_drawing(results: Sequence[RobustnessResult], metric: str, *, title: str) -> Drawing:
    """Return the figure of one metric; methods that are the degraded input itself are drawn as grey dashed lines.

    Arguments:
        results: One a method, all of the same cases and levels.
        metric: Its name.
        title: Above the panels.
    """
    curves = {
        r.method.title: {case: [_finite(r.number(case, n, metric)) for n in r.level_numbers] for case in r.cases}
        for r in results
    }
    inputs = [r.method.title for r in results if r.method.network == "input"]
    numbers = {"drawing": DRAWING, "metric": metric, "title": title, "curves": curves, "inputs": inputs}
    return Drawing(draw=lambda: _draw(curves, metric, title, inputs), numbers=numbers)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _draw(curves: Curves, metric: str, title: str, inputs: Sequence[str]) -> Figure:
    cases = list(next(iter(curves.values())))
    across = min(ACROSS, len(cases))
    down = math.ceil(len(cases) / across)
    figure = new_figure(max(4.0, 2.6 * across), 2.1 * down + 1.0)
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for place, panel in enumerate(panels.flat):
        if place < len(cases):
            _panel(panel, cases[place], curves, inputs)
        else:
            panel.set_visible(False)
        if place % across == 0:
            panel.set_ylabel(head(METRICS[metric]), fontsize=8)
        if place + across >= len(cases):
            panel.set_xlabel("level", fontsize=8)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure


def _panel(panel: Axes, case: str, curves: Curves, inputs: Sequence[str]) -> None:
    for name, curve in curves.items():
        values = [math.nan if value is None else value for value in curve[case]]
        levels = range(1, len(values) + 1)
        (line,) = panel.plot(levels, values, label=name, marker="o", markersize=3, linewidth=1.2)
        if name in inputs:
            line.set(color="0.3", linestyle="--", zorder=10)
        panel.set_xticks(levels)
    panel.set_title(case_label(case), fontsize=9)
    panel.grid(alpha=0.3)
