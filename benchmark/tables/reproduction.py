"""What Table 2 really measures: printed cells beside what the released weights give under every protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.metrics import METRICS
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.restoration import Result
from benchmark.tables.protocol_words import metric_words
from benchmark.tables.published import Note, protocols_that_fit
from benchmark.tables.reruns import FID_SHARE, MARGINS, Rerun, find_reruns
from benchmark.tables.view import ABSENT, Cell, Records, Section, birth_line, head, number
from models.markdown import code

MARK = "✓"


def build(*, published: Path, records: Records) -> list[Section]:
    """Return the verdicts on all cells, then for each table one part a row, then what was not measured."""
    reruns = find_reruns(published, records)
    measured = [rerun for rerun in reruns if rerun.results]
    sections = [_verdicts(measured)] if measured else []
    for name in dict.fromkeys(rerun.card.name for rerun in measured):
        mine = [rerun for rerun in measured if rerun.card.name == name]
        sections += [_columns(mine[0]), *[_row(rerun) for rerun in mine]]
    waiting = [rerun for rerun in reruns if not rerun.results]
    if waiting:
        sections.append(_waiting(waiting))
    if measured:
        sections.append(_protocols(measured))
    return sections


def _verdicts(reruns: Sequence[Rerun]) -> Section:
    rows, hits, cells = [], 0, 0
    for rerun in reruns:
        for metric in rerun.printed.columns:
            scored = [r for r in rerun.results if metric in r.metrics]
            cells += 1
            if not scored:
                rows.append((rerun, metric, None, ()))
                continue
            closest = min(scored, key=lambda r: abs(rerun.gap(r, metric) or 0.0))
            fitting = tuple(r.protocol.id for r in scored if rerun.reproduces(r, metric))
            hits += bool(fitting)
            rows.append((rerun, metric, closest, fitting))
    return Section(
        title="Which protocol gives which printed cell",
        kind="measured",
        headers=tuple(
            Cell(text=text)
            for text in ("Row", "Metric", "Printed", "Closest", "95 % interval", "Δ", "Under", "Reproduced by")
        ),
        numeric=(False, False, True, True, True, True, False, False),
        rows=tuple(_verdict(*row) for row in rows),
        intro=(
            f"{hits} of {cells} printed cells are reproduced by at least one protocol. Δ is measured minus printed. "
            "*Reproduced* means: within the printed digits and a margin of "
            f"{MARGINS['psnr']} dB, {MARGINS['ssim']} SSIM, {MARGINS['lpips']} LPIPS and "
            f"{100 * FID_SHARE:.0f} % of FID.",
            "A column whose cells need different protocols compares nothing: read the last column downwards.",
        ),
    )


def _verdict(rerun: Rerun, metric: str, closest: Result | None, fitting: tuple[str, ...]) -> tuple[Cell, ...]:
    style = METRICS[metric]
    texts = [rerun.title, style.label, rerun.row.values[metric]]
    if closest is None:
        texts += [ABSENT, ABSENT, ABSENT, ABSENT, "not measured"]
    else:
        texts += [
            number(closest.metrics[metric].number, digits=style.decimals),
            _interval(closest, metric),
            _signed(rerun.gap(closest, metric), style.decimals),
            closest.protocol.id,
            ", ".join(fitting) or "none",
        ]
    return tuple(Cell(text=text, bold=bool(fitting) and i == 7) for i, text in enumerate(texts))


def _columns(rerun: Rerun) -> Section:
    """Return our reading of the columns of a table, above its rows."""
    printed = rerun.printed
    notes = [note for note in printed.notes if not note.rows]
    return Section(
        title=f"Table {rerun.card.name}: {printed.title}",
        kind="measured",
        headers=(),
        numeric=(),
        rows=(),
        intro=(*protocols_that_fit(printed), "How its columns were computed:" if notes else ""),
        remarks=tuple(_note(note) for note in notes),
    )


def _note(note: Note) -> str:
    """Return a note with the columns that it is about."""
    return (", ".join(METRICS[c].label for c in note.columns) + ": " if note.columns else "") + note.text


def _row(rerun: Rerun) -> Section:
    columns = [(Cell(text="Protocol"), [Cell(text="printed"), *[Cell(text=str(r.protocol)) for r in rerun.results]])]
    for metric in rerun.printed.columns:
        style = METRICS[metric]
        values, gaps, intervals = [Cell(text=rerun.row.values[metric])], [Cell(text="")], [Cell(text="")]
        for result in rerun.results:
            score, fits = result.metrics.get(metric), rerun.reproduces(result, metric)
            text = number(score.number if score else None, digits=style.decimals)
            values.append(Cell(text=f"{text} {MARK}" if fits else text, bold=fits))
            gaps.append(Cell(text=_signed(rerun.gap(result, metric), style.decimals)))
            intervals.append(Cell(text=_interval(result, metric)))
        columns += [(Cell(text=head(style)), values), (Cell(text="Δ"), gaps)]
        if style.kind == "image":
            columns.append((Cell(text="95 % interval"), intervals))
    first = rerun.results[0]
    notes = [n for n in rerun.printed.notes if rerun.row.method in n.rows]
    notes.sort(key=lambda note: bool(note.columns))
    return Section(
        title=rerun.title,
        kind="measured",
        headers=tuple(cell for cell, _ in columns),
        numeric=tuple(i > 0 for i in range(len(columns))),
        rows=tuple(zip(*[cells for _, cells in columns], strict=True)),
        intro=(
            *[_note(note) for note in notes],
            f"Test set {code(first.test_set.name)}, {_images(first)}, digest {code(first.test_set.digest[:12])}; the "
            f"row names the protocol of all its columns. {MARK} marks the cells that reproduce the print, Δ is "
            "measured minus printed.",
        ),
        remarks=tuple(_missing(rerun)),
        births=tuple(_births(rerun)),
        level=3,
    )


def _births(rerun: Rerun) -> list[tuple[str, str, str]]:
    """Return one line for each run: the protocols that it scored, its command, and the rest of its certificate."""
    runs: dict[tuple[str, str], list[str]] = {}
    for result in rerun.results:
        _, command, rest = birth_line(result)
        runs.setdefault((command, rest), []).append(result.protocol.id)
    return [(", ".join(names), command, rest) for (command, rest), names in runs.items()]


def _images(result: Result) -> str:
    whole = result.test_set.n
    return f"{whole} images" if result.n == whole else f"{result.n} of {whole} images"


def _missing(rerun: Rerun) -> list[str]:
    """Say once per cause what an absent number needs, but not for metrics that a protocol does not have."""
    causes: dict[str, list[str]] = {}
    for result in rerun.results:
        for metric in rerun.printed.columns:
            if metric not in result.metrics and metric in result.missing:
                place = f"{METRICS[metric].label} under {result.protocol.id}"
                causes.setdefault(result.missing[metric], []).append(place)
    return [f"missing: {', '.join(places)}: {cause}" for cause, places in causes.items()]


def _waiting(reruns: Sequence[Rerun]) -> Section:
    protocols = " ".join(f"--protocol {name}" for name in PROTOCOLS)
    return Section(
        title="Rows that were not measured",
        kind="measured",
        headers=tuple(Cell(text=text) for text in ("Row", "Network", "Data")),
        numeric=(False, False, False),
        rows=tuple(
            tuple(Cell(text=text) for text in (r.title, str(r.row.network), str(r.card.test_set_source)))
            for r in reruns
        ),
        intro=(
            "Their networks are here; what they need is the released weights (`bench weights list`) and the test set: "
            f"`bench eval --data DATASET --network NETWORK --weights FILE {protocols}`.",
        ),
    )


def _protocols(reruns: Sequence[Rerun]) -> Section:
    used = {result.protocol.id for rerun in reruns for result in rerun.results}
    shown = [PROTOCOLS[name] for name in PROTOCOLS if name in used]
    metrics = [name for name in METRICS if any(name in rerun.printed.columns for rerun in reruns)]
    return Section(
        title="What the protocols do",
        kind="measured",
        headers=tuple(Cell(text=text) for text in ("Protocol", *[METRICS[name].label for name in metrics])),
        numeric=(False,) * (1 + len(metrics)),
        rows=tuple(
            tuple(Cell(text=text) for text in (f"{p.name} v{p.version}", *[metric_words(p, m) for m in metrics]))
            for p in shown
        ),
        intro=("Today's versions; what each row above was measured by is named there.",),
    )


def _interval(result: Result, metric: str) -> str:
    score, digits = result.metrics.get(metric), METRICS[metric].decimals
    if score is None or score.ci95 is None:
        return ABSENT
    return f"[{score.ci95[0]:.{digits}f}, {score.ci95[1]:.{digits}f}]"


def _signed(value: float | None, digits: int) -> str:
    return ABSENT if value is None else f"{value:+.{digits}f}"
