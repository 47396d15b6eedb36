"""`bench speed`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.groups import WholeHelpGroup
from benchmark.cli.speed_networks import command as networks
from benchmark.speed import MEASUREMENTS


@click.group(
    name="speed",
    cls=WholeHelpGroup,
    epilog="""\b
Examples:
  bench speed build
  bench speed restore
  bench speed caption --json speed.json
  bench speed networks --network nafnet --size 1280x720""",
)
def command() -> None:
    """Measure how fast something is on this machine.

    The command networks measures time and memory of every network. All others measure a ratio to the plain way of
    doing the same work, in one run.
    """


def _ratio(what: str) -> click.Command:
    """Return the command of a measurement that takes no options of its own."""

    @click.command(
        name=what, help=f"Measure bench {what} as a ratio to the plain way of doing the same work, in one run."
    )
    @click.option(
        "--json", "json_file", type=click.Path(path_type=Path), help="Also write the measurement to this file."
    )
    def run(json_file: Path | None) -> None:
        from benchmark.speed import measurement
        from models.files import write_sealed

        measured = measurement(what)()
        for line in measured["summary"]:
            click.echo(line)
        if json_file:
            write_sealed(json_file, measured)

    return run


for _what in MEASUREMENTS:
    command.add_command(networks if _what == "networks" else _ratio(_what))
