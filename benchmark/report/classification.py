"""What a classifier answers and how sure it is, as a figure and as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.report.figure import Drawing, new_figure
from benchmark.results.strict import plain
from models.vocabulary import DEGRADATIONS, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.results.classification import ClassificationResult

DRAWING = 1
"""Raised whenever the figure changes for the same numbers."""

SHORT = dict(
    zip(
        DEGRADATIONS,
        ("Blur", "Haze", "JPEG", "Dark", "Noise", "Drop", "Rain", "Shade", "Snow", "Hole"),
        strict=True,
    )
)
"""Labels of five letters at most, for twelve columns on a terminal of eighty."""


def short_label(word: str) -> str:
    """Return a label that fits a narrow column."""
    return SHORT.get(word, label(word)[:5])


def classification_drawing(result: ClassificationResult) -> Drawing:
    """Return the figure of one classifier: its confusion matrix and, when known, its reliability diagram."""
    numbers = {
        "drawing": DRAWING,
        "title": result.method.title,
        "test_set": [result.test_set.name, result.test_set.n],
        "types": list(result.types),
        "confusion": [list(row) for row in result.confusion],
        "calibration": plain(result.calibration),
    }
    return Drawing(draw=lambda: _draw(result), numbers=numbers)


def _draw(result: ClassificationResult) -> Figure:
    panels = 1 if result.calibration is None else 2
    figure = new_figure(6.2 * panels, 5.4)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _confusion(axes[0], result)
    if result.calibration is not None:
        _reliability(axes[1], result)
    figure.suptitle(f"{result.method.title} on {result.test_set.title}, {result.n} images")
    return figure


def _confusion(axes: Axes, result: ClassificationResult) -> None:
    labels = [label(word) for word in result.types]
    shares = [[count / max(1, sum(row)) for count in row] for row in result.confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(result.confusion):
        for j, count in enumerate(row):
            if count:
                colour = "white" if shares[i][j] > 0.5 else "black"
                axes.text(j, i, str(count), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_xlabel("answer")
    axes.set_ylabel("true type")
    axes.set_title(f"images; mean accuracy {100 * result.accuracy:.1f} %", fontsize=10)


def _reliability(axes: Axes, result: ClassificationResult) -> None:
    calibration = result.calibration
    assert calibration is not None
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=0.8, label="as sure as right")
    for each in calibration.bins:
        width = each.high - each.low
        axes.bar(each.low, each.accuracy, width=width, align="edge", color="tab:blue", alpha=0.55, edgecolor="white")
        axes.text(
            (each.low + each.high) / 2,
            min(each.accuracy + 0.015, 0.97),
            str(each.n),
            ha="center",
            fontsize=7,
        )
    axes.plot(
        [each.confidence for each in calibration.bins],
        [each.accuracy for each in calibration.bins],
        color="tab:red",
        marker="o",
        markersize=4,
        linewidth=1,
        label="mean confidence of a bin",
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("confidence of the answer")
    axes.set_ylabel("share of right answers")
    axes.set_title(f"ECE {100 * calibration.ece:.1f} %, temperature {calibration.temperature:.4g}", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.3)


def accuracy_table(results: list[ClassificationResult], types: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows for the terminal, all in per cent: the accuracy of each type, their mean, and the ECE."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f}"

    rows = [[label(w), *[percent(r.groups[w].accuracy if w in r.groups else None) for r in results]] for w in types]
    rows.append(["Mean", *[percent(r.accuracy) for r in results]])
    rows.append(["ECE", *[percent(r.calibration.ece if r.calibration else None) for r in results]])
    return ["", *[result.method.title for result in results]], rows


def confusion_table(result: ClassificationResult) -> tuple[list[str], list[list[str]]]:
    """Return header and rows for the terminal: a row for each type that has images, a column for each answer."""
    rows = [
        [label(word), *[str(count) if count else "." for count in row]]
        for word, row in zip(result.types, result.confusion, strict=True)
        if word in result.groups
    ]
    return ["", *(short_label(word) for word in result.types)], rows
