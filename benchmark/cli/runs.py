"""`bench runs`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.errors import UserError

if TYPE_CHECKING:
    from benchmark.training.runs import RunFacts


@click.command(
    name="runs",
    epilog="""\b
Examples:
  bench runs
  bench runs runs/nafnet runs/nafnet-2 --compare
  bench runs runs --plot loss.png
  bench runs runs --plot psnr.png --value validation/psnr""",
)
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(path_type=Path))
@click.option("--compare", is_flag=True, help="Show the settings that differ, and the last numbers, side by side.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw a value against steps, as PNG.")
@click.option("--value", default="loss", show_default=True, help="What to draw, e.g. loss, lr, validation/psnr.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(folders: tuple[Path, ...], compare: bool, plot: Path | None, value: str, as_json: bool) -> None:
    """List, compare or plot the runs in FOLDERs ("runs" when none is given): run folders, or folders that hold some."""
    from benchmark.training.runs import find_runs, require_value

    runs = find_runs(folders or (Path("runs"),))
    labels = _labels(runs)
    for run in runs:
        if run.damaged:
            click.echo(f"{run.folder / 'events.jsonl'}: {run.damaged} damaged lines are left out", err=True)
    if as_json:
        click.echo(json.dumps([_summary(run) for run in runs], indent=2))
        return
    if plot is not None:
        if plot.suffix.lower() != ".png":
            raise UserError(f"--plot writes PNG files: name one that ends in .png, not {plot.name}")
        require_value(runs, value)
        from benchmark.report.curves import curves_figure
        from models.files import write_bytes

        write_bytes(plot, curves_figure(runs, value, labels=labels))
        click.echo(f"{value} of {len(runs)} runs: {plot}")
        return
    if compare:
        _compare(runs, labels)
        return
    head = ["run", "recipe", "data", "state", "step", "loss", "best", "images/s"]
    rows = [
        [label, *(_text(part) for part in list(_summary(run).values())[1:])]
        for label, run in zip(labels, runs, strict=True)
    ]
    _print([head, *rows])


def _summary(run: RunFacts) -> dict[str, Any]:
    best = f"{run.best['score']:.4g} at {run.best['step']}" if run.best else None
    return {
        "run": str(run.folder),
        "recipe": f"{run.recipe['name']}/{run.recipe['preset']}",
        "data": run.dataset.get("name"),
        "state": run.state,
        "step": f"{run.step}/{run.recipe['steps']}",
        "loss": run.last("loss"),
        "best": best,
        "images_per_second": run.last("images_per_second"),
    }


def _compare(runs: Sequence[RunFacts], labels: Sequence[str]) -> None:
    from benchmark.training.runs import differences

    if len(runs) < 2:
        raise UserError("--compare needs two runs or more: name their folders")
    rows = [["", *labels], *([key, *values] for key, values in differences(runs).items())]
    names = dict.fromkeys(name for run in runs for name in run.values())
    rows += [[f"last {name}", *(_text(run.last(name)) for run in runs)] for name in names]
    _print(rows)


def _labels(runs: Sequence[RunFacts]) -> list[str]:
    """Return the runs' paths without what all of them have in common."""
    if len(runs) == 1:
        return [runs[0].folder.name]
    shared = Path(commonpath([run.folder.absolute() for run in runs]))
    return [str(run.folder.absolute().relative_to(shared)) for run in runs]


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
