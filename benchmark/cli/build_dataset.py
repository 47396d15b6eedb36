"""`bench build-dataset`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.sources import SOURCES
from models.errors import UserError

PRESETS = {"demo": ("demo",), "universal": ("lol", "rain100h")}
"""Sources of each preset; those of "universal" are looked for below --raw."""


@click.command(
    name="build-dataset",
    epilog="""\b
Examples:
  bench build-dataset --preset demo --out datasets/demo
  bench build-dataset --source lol=raw/LOL --source rain100h=raw/Rain100H --out datasets/real
  bench build-dataset --preset universal --raw datasets/universal --out datasets/paper""",
)
@click.option("--preset", type=click.Choice(list(PRESETS)), help="A ready-made list of sources.")
@click.option("--raw", type=click.Path(path_type=Path), help="Folder with the raw sources, for --preset universal.")
@click.option("--source", "sources", multiple=True, metavar="NAME=PATH", help="A source and its folder; repeatable.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The dataset folder to write.")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes, 0 for none.  [default: all processors]")
def command(preset: str | None, raw: Path | None, sources: tuple[str, ...], out: Path, workers: int | None) -> None:
    """Build a dataset folder: Parquet shards, a card, and a manifest written last.

    It can be killed at any moment; the same command continues and ends with the same bytes.
    """
    from benchmark import engine
    from benchmark.build import build_dataset
    from benchmark.progress import progress_bar
    from benchmark.report.terminal import print_counts

    wanted = choose_sources(preset, raw, sources)
    samples = [sample for name, root in wanted for sample in SOURCES.load(name)(root)]
    recipe = {"preset": preset, "sources": [name for name, _ in wanted]}
    with progress_bar("build", len(samples)) as progress:
        manifest = build_dataset(
            samples,
            out,
            recipe=recipe,
            workers=engine.default_workers() if workers is None else workers,
            progress=progress,
        )
    print_counts(manifest)
    click.echo(
        f"{sum(s['rows'] for s in manifest['splits'].values())} pairs in {out} (digest {manifest['digest'][:16]})"
    )
    if manifest["quarantine"]:
        for entry in manifest["quarantine"][:10]:
            click.echo(f"left out {entry['key']}: {entry['reason']}", err=True)
        click.echo(f"{len(manifest['quarantine'])} pairs were left out; all are listed in manifest.json", err=True)
        raise click.exceptions.Exit(1)


def choose_sources(preset: str | None, raw: Path | None, sources: tuple[str, ...]) -> list[tuple[str, Path | None]]:
    """Return the sources to read, each with its folder.

    Raises:
        UserError: Nothing was asked for, a source is unknown or needs a folder, or none is found below `raw`.
    """
    wanted: list[tuple[str, Path | None]] = []
    for text in sources:
        name, separator, path = text.partition("=")
        if SOURCES[name].embedded:
            wanted.append((name, None))
        elif not separator or not path:
            raise UserError(f"--source {text}: expected {name}=PATH, with the folder of {SOURCES[name].title}")
        else:
            wanted.append((name, Path(path)))
    if preset == "universal":
        wanted += _below(raw)
    elif preset:
        wanted += [(name, None) for name in PRESETS[preset]]
    if not wanted:
        raise UserError("nothing to build: give --preset demo, or --source NAME=PATH (see bench list sources)")
    return wanted


def _below(raw: Path | None) -> list[tuple[str, Path | None]]:
    if raw is None:
        raise UserError("--preset universal needs --raw DIR, the folder with the raw sources")
    if not raw.is_dir():
        raise UserError(f"--raw {raw}: folder not found")
    if any((raw / split).is_dir() for split in ("train", "val", "test")):
        return [("universal", raw)]
    found: list[tuple[str, Path | None]] = [(n, raw / n) for n in PRESETS["universal"] if (raw / n).is_dir()]
    if not found:
        names = ", ".join(f"{name}/" for name in PRESETS["universal"])
        raise UserError(f"--raw {raw} holds neither train/ and val/ (the authors' layout) nor any of {names}")
    return found
