"""`bench caption`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from benchmark.engine import ENGINES, Engine, cluster_address

PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@click.command(
    name="caption",
    epilog="""\b
Examples:
  bench caption datasets/demo --captioner sidecar
  bench caption datasets/paper                                   (BLIP large, the paper's)
  bench caption datasets/paper --captioner weights/blip          (a folder written by save_pretrained)
  bench caption datasets/paper --captioner microsoft/git-base-coco
  bench caption datasets/paper --captioner csv:downloads/captions
  bench caption datasets/paper --device cuda --batch-size 64
  bench caption datasets/paper --engine ray --address auto       (every GPU of a cluster)""",
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--captioner",
    default="blip-large",
    show_default=True,
    metavar="NAME_OR_FOLDER",
    help="See bench list captioners; or the folder or hub name of a BLIP, BLIP-2, GIT or encoder-decoder model.",
)
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1), help="Images at once.")
@click.option("--device", default="auto", show_default=True, help="Where the captioner runs: cpu, cuda, cuda:1, ...")
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    type=click.Choice(PRECISIONS),
    help="auto is fp16 on a GPU and fp32 on a CPU; another precision may give other captions.",
)
@click.option(
    "--max-new-tokens", default=32, show_default=True, type=click.IntRange(min=1), help="Longest caption, in tokens."
)
@click.option("--workers", type=click.IntRange(min=1), help="Threads that decode images.  [default: all processors]")
@click.option(
    "--compile", is_flag=True, help="Compile the vision tower: a slower start, then faster (needs a C++ compiler)."
)
@click.option("--engine", type=click.Choice(ENGINES), default="local", show_default=True, help="Where the work runs.")
@click.option("--address", help="Ray cluster to join, e.g. auto or ray://host:10001.  [default: RAY_ADDRESS or none]")
@click.option("--replace", is_flag=True, help="Use these captions from now on, although others are in use.")
def command(
    dataset: Path,
    captioner: str,
    batch_size: int,
    device: str,
    precision: Literal["auto", "fp32", "bf16", "fp16"],
    max_new_tokens: int,
    workers: int | None,
    compile: bool,
    engine: Engine,
    address: str | None,
    replace: bool,
) -> None:
    """Write captions/<split>.parquet of DATASET: each unique clean image is captioned once, across all splits.

    Every captioner's captions are kept in a folder of their own below captions/; those of the first are in use until
    --replace says otherwise. The run can be killed at any moment; the same command continues. Batch size, workers,
    compilation and cluster leave no trace in the result.
    """
    from benchmark.captions.run import CaptionOptions, caption_folder
    from benchmark.dataset.folder import Dataset
    from benchmark.engine.progress import progress_bar

    data = Dataset(dataset)
    how = CaptionOptions(
        device=device,
        precision=precision,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        threads=workers,
        compile=compile,
        engine=engine,
        address=cluster_address(engine, address),
    )
    expected = sum(split["unique_clean"] for split in data.manifest["splits"].values())
    with progress_bar("caption", expected) as progress:
        # An image that two splits share is done in both at once, so the bar begins with it.
        outcome = caption_folder(
            data, captioner, how=how, replace=replace, progress=lambda done, total: progress(expected - total + done)
        )
    for split, rows in outcome.rows.items():
        click.echo(f"{split}: {rows} texts from {outcome.unique[split]} unique clean images by {captioner}")
    click.echo(f"{outcome.captioned} images captioned in this run; set {dataset / 'captions' / outcome.set}")
    if outcome.current != outcome.set:
        click.echo(f"the captions in use are still those of {outcome.current}: add --replace to use these instead")
    for key, reason in outcome.unreadable[:10]:
        click.echo(f"no caption for {key}: {reason}", err=True)
    if outcome.unreadable:
        click.echo(
            f"{len(outcome.unreadable)} clean images have no caption and their pairs are left out: run bench verify "
            f"{dataset}, mend the dataset, and run the same command again (it does only those)",
            err=True,
        )
        raise click.exceptions.Exit(1)
