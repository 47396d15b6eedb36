"""A sweep over samplers and network calls as a figure and as Markdown."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

from benchmark.metrics import METRICS
from benchmark.report.figure import plain_text
from benchmark.report.markdown import cell_text
from benchmark.tables.view import Cell, embolden, head, number
from models.diffusion.samplers import SAMPLERS
from models.markdown import code, escape, table

MARKERS = "osD^v<>"


def reference_of(sweep: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the cell of the published way, posterior sampling over all steps; None when it was not measured."""
    steps = sweep["identity"]["sde"]["steps"]
    return next((cell for cell in sweep["cells"] if (cell["sampler"], cell["nfe"]) == ("posterior", steps)), None)


def nfe_markdown(sweep: Mapping[str, Any]) -> str:
    """Return one table a metric: a row a sampler, a column a number of calls, the best of each in bold."""
    identity, cells = sweep["identity"], sweep["cells"]
    images = cells[0]["n"]
    calls = sorted({cell["nfe"] for cell in cells})
    blocks = [
        f"# {escape(identity['title'])}: quality against network calls",
        f"Test set {code(identity['test_set']['name'])}, {_told(images)} images, digest "
        f"{code(identity['test_set']['digest'][:12])}; protocol {code(str(identity['protocol']))}; weights "
        f"{code(identity['weights_sha256'][:12])}; seed {_told(identity['seed'])}. "
        "Numbers are means over the types; bold is the best of a column. The published way is posterior sampling with "
        f"{_told(identity['sde']['steps'])} calls.",
    ]
    for metric in [name for name in METRICS if name in cells[0]["metrics"]]:
        style = METRICS[metric]
        found = {(cell["sampler"], cell["nfe"]): cell["metrics"].get(metric) for cell in cells}
        names = [name for name in SAMPLERS if any(name == sampler for sampler, _ in found)]
        columns = [
            embolden(
                [Cell(text=number(found.get((name, nfe)), digits=style.decimals)) for name in names],
                higher_is_better=style.higher_is_better,
            )
            for nfe in calls
        ]
        rows = [[f"`{name}`", *(cell_text(column[i]) for column in columns)] for i, name in enumerate(names)]
        numeric = [False, *[True] * len(calls)]
        blocks += [f"## {head(style)}", table(["Sampler", *(_told(nfe) for nfe in calls)], rows, numeric=numeric)]
        blocks += _against_reference(sweep, metric)
    return "\n\n".join(blocks) + "\n"


def _told(value: object) -> str:
    return escape(str(value))


def _against_reference(sweep: Mapping[str, Any], metric: str) -> list[str]:
    """Say for each number of calls below the published one the best sampler, and its distance from it."""
    reference = reference_of(sweep)
    if reference is None:
        return []
    style, lines = METRICS[metric], []
    usual = reference["metrics"][metric]
    for nfe in sorted({cell["nfe"] for cell in sweep["cells"] if cell["nfe"] < reference["nfe"]}):
        rivals = [cell for cell in sweep["cells"] if cell["nfe"] == nfe]
        best = (max if style.higher_is_better else min)(rivals, key=lambda cell: cell["metrics"][metric])
        gap = best["metrics"][metric] - usual
        lines.append(
            f"- {_told(nfe)} calls: best {code(best['sampler'])}, {gap:+.{style.decimals}f} against the published way "
            f"({number(usual, digits=style.decimals)})"
        )
    return ["\n".join(lines)]


def nfe_figure(sweep: Mapping[str, Any]) -> bytes:
    """Draw one panel a metric, network calls on a logarithmic axis, the published way as a dashed line.

    Returns:
        A PNG file; the same sweep always gives the same bytes.
    """
    with plain_text():
        return _draw(sweep)


def _draw(sweep: Mapping[str, Any]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cells = sweep["cells"]
    metrics = [name for name in METRICS if name in cells[0]["metrics"]]
    calls = sorted({cell["nfe"] for cell in cells})
    figure = Figure(figsize=(5.2 * len(metrics), 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    reference = reference_of(sweep)
    for panel, metric in zip(panels, metrics, strict=True):
        for name, marker in zip(SAMPLERS, MARKERS, strict=False):
            mine = sorted((c["nfe"], c["metrics"][metric]) for c in cells if c["sampler"] == name)
            mine = [(nfe, value) for nfe, value in mine if math.isfinite(value)]
            if mine:
                panel.plot(*zip(*mine, strict=True), marker=marker, markersize=4, linewidth=1.2, label=name)
        if reference is not None:
            label = f"posterior, {reference['nfe']} calls"
            panel.axhline(reference["metrics"][metric], color="black", linestyle="--", linewidth=0.8, label=label)
        panel.set_xscale("log")
        panel.set_xticks(calls, [str(nfe) for nfe in calls], minor=False)
        panel.minorticks_off()
        panel.set_xlabel("network calls an image (NFE)")
        unit = f" ({METRICS[metric].unit})" if METRICS[metric].unit else ""
        panel.set_ylabel(f"{head(METRICS[metric])}{unit}")
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=7)
    figure.suptitle(f"{sweep['identity']['title']}, {sweep['identity']['test_set']['name']}, {cells[0]['n']} images")
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()
