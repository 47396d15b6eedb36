"""Logged numbers of several runs as curves in one figure."""

from __future__ import annotations

import io
from collections.abc import Sequence

from benchmark.report.figure import new_figure, plain_text
from benchmark.training.runs import RunFacts

LABELS = {"loss": "loss (mean since the last log line)", "lr": "learning rate"}


def curves_figure(runs: Sequence[RunFacts], value: str, *, labels: Sequence[str]) -> bytes:
    """Draw a value against the steps, one line a run.

    Arguments:
        runs: The runs; those that never logged the value are left out.
        value: E.g. "loss" or "validation/psnr".
        labels: A name for each run.

    Returns:
        A PNG file; the same numbers always give the same bytes.
    """
    with plain_text():
        return _draw(runs, value, labels)


def _draw(runs: Sequence[RunFacts], value: str, labels: Sequence[str]) -> bytes:
    figure = new_figure(8, 4.5)
    axes = figure.add_subplot()
    for run, label in zip(runs, labels, strict=True):
        steps, numbers = run.series(value)
        if steps:
            axes.plot(steps, numbers, label=label, marker="o" if len(steps) < 30 else "", markersize=3, linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_ylabel(LABELS.get(value, value))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()
