"""`bench speed`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.speed import MEASUREMENTS


@click.command(
    name="speed",
    epilog="""\b
Examples:
  bench speed build
  bench speed restore
  bench speed caption --json speed.json""",
)
@click.argument("what", type=click.Choice(list(MEASUREMENTS)))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the measurement to this file.")
def command(what: str, json_file: Path | None) -> None:
    """Measure how fast WHAT is, as a ratio to the plain way of doing the same work, in one run on this machine."""
    from benchmark.speed import measurement
    from models.files import write_json

    measured = measurement(what)()
    for line in measured["summary"]:
        click.echo(line)
    if json_file:
        write_json(json_file, measured)
