"""`bench demo`."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

RUNS = ("daclip", "nafnet", "nafnet-degradation", "nafnet-daclip")


@click.command(name="demo")
@click.option(
    "--out", default="demo", show_default=True, type=click.Path(path_type=Path), help="Folder for everything it makes."
)
def command(out: Path) -> None:
    """Run the whole chain on photos that come inside the pinned packages, from nothing to a leaderboard.

    Each stage is the command that is printed before it; killed and started again, it continues.
    """
    from benchmark.cli import main
    from benchmark.report.demo import write_pages

    started = time.monotonic()
    data, runs, boards, images = out / "dataset", out / "runs", out / "leaderboards", out / "restored"
    stages: list[list[str]] = [
        ["build-dataset", "--preset", "demo", "--out", str(data)],
        ["caption", str(data), "--captioner", "sidecar"],
    ]
    for name in RUNS:
        needs = ["--daclip", str(runs / "daclip")] if name.startswith("nafnet-") else []
        stages.append(["train", name, "--data", str(data), "--out", str(runs / name), "--preset", "demo", *needs])
    places = ["--data", str(data), "--runs", str(runs), "--leaderboards", str(boards)]
    stages += [
        ["eval", "--table", "1", *places],
        ["eval", "--table", "3", *places, "--save-images", str(images)],
        ["eval", "--table", "classification", *places],
        ["leaderboard", "--leaderboards", str(boards)],
    ]
    for number, stage in enumerate(stages, start=1):
        click.echo(f"[{number}/{len(stages)}] bench {shlex.join(stage)}")
        try:
            main(stage)
        except SystemExit as stop:
            if stop.code:
                raise click.exceptions.Exit(int(stop.code)) from None  # it has told why
    gallery = write_pages(out, data=data, boards=boards, images=images)
    click.echo((boards / "table-3.md").read_text(encoding="utf-8"))
    click.echo((boards / "table-classification.md").read_text(encoding="utf-8"))
    click.echo("The networks above were trained for a minute or two, to show the chain; they are no reproduction.")
    click.echo(f"Leaderboards: {boards / 'README.md'}")
    click.echo(f"Gallery:      {gallery.resolve()}")
    click.echo(f"The chain took {time.monotonic() - started:.0f} s.")
