"""`bench speed networks`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command(
    name="networks",
    epilog="""\b
Examples:
  bench speed networks
  bench speed networks --network nafnet --network restormer --size 512x512 --json nafnet-restormer.json
  bench speed networks --size 4096x2160 --max-memory 4G --json leaderboards/speed/networks-4k.json
  bench speed networks --device cuda --precision bf16 --json leaderboards/speed/networks-cuda-bf16.json""",
)
@click.option("--network", "names", multiple=True, help="A network to measure; may be repeated.  [default: all]")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="WxH",
    default=("256x256", "1280x720"),
    show_default=True,
    help="Width and height of the image; may be repeated.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, ...")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="What the networks compute in; without --network, those are measured whose card allows it.",
)
@click.option("--max-memory", metavar="SIZE", help="Memory a process may use, e.g. 20G; larger images are tiled.")
@click.option("--overwrite", is_flag=True, help="Measure again what is there.")
@click.option(
    "--json",
    "json_file",
    default="leaderboards/speed/networks.json",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the measurements; a page of the same name, ending in .md, is written beside it.",
)
def command(
    names: tuple[str, ...],
    sizes: tuple[str, ...],
    device: str,
    precision: Literal["fp32", "bf16", "fp16"],
    max_memory: str | None,
    overwrite: bool,
    json_file: Path,
) -> None:
    """Measure time and peak memory of every network, published in size, random in weights.

    Each network restores one image of each size in a process of its own. What the file holds is not measured again, so
    a run that was killed continues where it was. Sampled networks run two steps, from which the time of all follows.
    """
    from benchmark.engine.progress import progress_bar
    from benchmark.report.speed_networks import networks_markdown
    from benchmark.speed.networks import chosen_names, networks_speed
    from models.errors import UserError
    from models.files import write_text
    from models.inference.memory import parse_memory

    if json_file.suffix != ".json":
        raise UserError(f"--json {json_file} must end in .json: the page beside it takes the same name with .md")
    chosen = chosen_names(names or None, precision)
    with progress_bar("measure", len(chosen) * len(sizes)) as progress:
        found = networks_speed(
            names=chosen,
            sizes=sizes,
            device=device,
            precision=precision,
            max_memory=parse_memory(max_memory) if max_memory else None,
            out=json_file,
            overwrite=overwrite,
            progress=progress,
        )
    if found["networks"]:
        write_text(json_file.with_suffix(".md"), networks_markdown(found))
    for line in found["summary"]:
        click.echo(line)
    for line in found["missing"]:
        click.echo(f"not measured: {line}", err=True)
    if found["missing"]:
        raise click.exceptions.Exit(1)
