"""`bench speed`."""

from __future__ import annotations

import json

import click


@click.command(
    name="speed",
    epilog="""\b
Example:
  bench speed build --json""",
)
@click.argument("what", type=click.Choice(["build"]))
@click.option("--json", "as_json", is_flag=True, help="Print the measurement as JSON.")
def command(what: str, as_json: bool) -> None:
    """Measure how fast WHAT is, as a ratio to the plain way of doing the same work, in one run on this machine."""
    from benchmark.speed import build_speed

    measured = build_speed()
    if as_json:
        click.echo(json.dumps(measured, indent=2))
        return
    click.echo(
        f"{what}: {measured['pairs']} pairs, plain loop {measured['plain_seconds']} s, "
        f"{measured['workers']} workers {measured['build_seconds']} s, ratio {measured['ratio']}"
    )
