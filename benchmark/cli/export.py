"""`bench export`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.export import LAYOUTS


@click.command(
    name="export",
    epilog="""\b
Examples:
  bench export datasets/paper datasets/universal --layout universal
  bench export datasets/paper captions/ --layout daclip-csv --dataroot datasets/universal
  bench export datasets/paper shards/ --layout webdataset --shard-size 1000

\b
Layouts:
"""
    + "\n".join(f"  {card.name:<11} {card.summary}" for card in LAYOUTS.values()),
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--layout", required=True, type=click.Choice(list(LAYOUTS)), help="What to write; see below.")
@click.option(
    "--dataroot",
    help="What paths in caption files begin with.  [default: OUT for universal, datasets/universal for daclip-csv]",
)
@click.option(
    "--shard-size", default=1000, show_default=True, type=click.IntRange(min=1), help="Samples of a tar file."
)
def command(dataset: Path, out: Path, layout: str, dataroot: str | None, shard_size: int) -> None:
    """Write DATASET into the folder OUT as other programs read it.

    Images keep their bytes. It can be killed at any moment; the same command continues and ends with the same bytes.
    """
    from benchmark.dataset.folder import Dataset
    from benchmark.engine.progress import progress_bar
    from benchmark.export.run import Options, export, plan_export

    data = Dataset(dataset)
    plan = plan_export(data, out, layout=layout, options=Options(dataroot=dataroot, shard_size=shard_size))
    with progress_bar(f"export {layout}", sum(unit.rows for unit in plan.units)) as progress:
        record = export(data, out, plan, layout=layout, progress=progress)
    click.echo(f"{record['files']} files, {record['bytes'] / 1e6:.1f} MB in {out}")
    for hint in plan.hints:
        click.echo(hint)
