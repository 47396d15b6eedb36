"""`bench build-dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.building.wanted import choose_sources, read_sources, refuse_other_counts
from benchmark.engine import ENGINES, Engine
from models.vocabulary import SPLITS

if TYPE_CHECKING:
    pass

PRESETS = ("demo", "universal")


@click.command(
    name="build-dataset",
    epilog="""\b
Examples:
  bench build-dataset --preset demo --out datasets/demo
  bench build-dataset --preset universal --raw downloads --out datasets/paper --strict
  bench build-dataset --source lol=LOLdataset.zip --source rain100h=raw/Rain100H --out datasets/real
  bench build-dataset --source custom=photos --spec "rain() | jpeg(quality=30)" --degradation mixed --out datasets/mine
  bench build-dataset --source custom=pairs.zip --degradation foggy --out datasets/foggy
  bench build-dataset --recipe sources.yaml --out datasets/all --engine ray --address auto""",
)
@click.option("--preset", type=click.Choice(PRESETS), help="The embedded photos, or the paper's ten types below --raw.")
@click.option("--raw", type=click.Path(path_type=Path), help="Folder with the downloads, for --preset universal.")
@click.option(
    "--source", "sources", multiple=True, metavar="NAME=PATH", help="A source: its folder or archive. Repeatable."
)
@click.option("--recipe", "recipe_file", type=click.Path(path_type=Path), help="YAML file with a list of sources.")
@click.option("--degradation", metavar="WORD", help="For --source custom: the type, one of the ten or a new word.")
@click.option("--spec", help="For --source custom with clean images: the degradation to synthesise.")
@click.option("--split", type=click.Choice(SPLITS), help="For --source custom: where the pairs go.")
@click.option("--severity", type=click.IntRange(1, 5), help="For --source custom, in place of --spec: how bad, 1 to 5.")
@click.option("--seed", type=int, help="Seed of what is synthesised.  [default: 0]")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The dataset folder to write.")
@click.option("--strict", is_flag=True, help="Refuse when counts differ from the published ones or an image is bad.")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes, 0 for none.  [default: all processors]")
@click.option("--engine", type=click.Choice(ENGINES), default="local", show_default=True, help="Where the work runs.")
@click.option("--address", help="Ray cluster to join, e.g. auto or ray://host:10001.  [default: RAY_ADDRESS or none]")
def command(
    preset: str | None,
    raw: Path | None,
    sources: tuple[str, ...],
    recipe_file: Path | None,
    degradation: str | None,
    spec: str | None,
    split: str | None,
    severity: int | None,
    seed: int | None,
    out: Path,
    strict: bool,
    workers: int | None,
    engine: Engine,
    address: str | None,
) -> None:
    """Build a dataset folder: Parquet shards, a card, and a manifest written last.

    Sources are read from folders or straight from their zip and tar files. Images that cannot be used are left out and
    listed with the reason. The build can be killed at any moment; the same command continues and ends with the same
    bytes, on one processor, many, or a cluster. Over a whole dataset it compares every file with its digest, and makes
    again what is missing or damaged.
    """
    from benchmark.building.run import BuildOptions, build_dataset
    from benchmark.engine import cluster_address, default_workers
    from benchmark.engine.progress import progress_bar
    from benchmark.report.terminal import print_counts, print_source_counts
    from models.markdown import shown

    options = {"degradation": degradation, "spec": spec, "split": split, "severity": severity, "seed": seed}
    given = {name: value for name, value in options.items() if value is not None}
    wanted = choose_sources(preset, raw, sources, recipe_file, given)
    samples, rejected = read_sources(wanted)
    if strict:
        refuse_other_counts(samples, wanted, whole=preset == "universal")
    recipe = {"preset": preset, "sources": [{"name": name, **options} for name, _, options in wanted]}
    mended: list[str] = []
    with progress_bar("build", len(samples)) as progress:
        manifest = build_dataset(
            samples,
            out,
            recipe=recipe,
            rejected=rejected,
            place=BuildOptions(
                default_workers() if workers is None else workers, engine, cluster_address(engine, address)
            ),
            strict=strict,
            progress=progress,
            mended=mended.append,
        )
    for file in mended:
        click.echo(f"made again {file}: it was missing or damaged", err=True)
    if preset is None:
        print_source_counts(manifest)
    else:
        print_counts(manifest, whole=preset == "universal")
    total = sum(split["rows"] for split in manifest["splits"].values())
    click.echo(f"{total} pairs in {out} (digest {manifest['digest'][:16]})")
    left_out = manifest["quarantine"]
    for entry in left_out[:10]:
        click.echo(f"left out {shown(entry['key'])}: {shown(entry['reason'])}", err=True)
    if left_out:
        click.echo(f"{len(left_out)} left out; all are listed under quarantine in {out / 'manifest.json'}", err=True)
