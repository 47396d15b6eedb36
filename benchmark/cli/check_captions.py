"""`bench check-captions`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from captioning.quality.findings import KINDS
from models.errors import UserError

if TYPE_CHECKING:
    from benchmark.dataset.folder import Dataset
    from captioning.quality.agreement import Part


@click.command(
    name="check-captions",
    epilog="""\b
Examples:
  bench check-captions datasets/demo
  bench check-captions datasets/paper --strict --allow scene-word --allow identical --allow near-identical
  bench check-captions datasets/paper --clip ViT-B-32:weights/open_clip_model.safetensors --device cuda""",
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--clip",
    metavar="ARCH:PRETRAINED",
    help="Also compare images and captions by a CLIP of open_clip: a tag or a file.",
)
@click.option("--device", default="cpu", show_default=True, help="Where the CLIP runs: cpu, cuda, cuda:1, ...")
@click.option(
    "--batch-size", default=32, show_default=True, type=click.IntRange(min=1), help="Images at once for --clip."
)
@click.option(
    "--lowest", default=20, show_default=True, type=click.IntRange(min=1), help="Worst pairs to list for --clip."
)
@click.option(
    "--near",
    default=0.8,
    show_default=True,
    type=click.FloatRange(0.5, 1.0),
    help="Share of common words from which two captions are nearly identical.",
)
@click.option("--strict", is_flag=True, help="Exit with status 1 when anything is found.")
@click.option(
    "--allow", multiple=True, type=click.Choice(list(KINDS)), help="A kind that --strict lets pass; repeatable."
)
def command(
    dataset: Path,
    clip: str | None,
    device: str,
    batch_size: int,
    lowest: int,
    near: float,
    strict: bool,
    allow: tuple[str, ...],
) -> None:
    """Check the captions of DATASET and write captions/report/: report.md, captions.parquet, findings.parquet.

    Found are captions that are empty, damaged, repetitive, too long for CLIP, alike over different images, or that name
    degradations although they were made from clean images. Killed and started again, it continues.
    """
    from benchmark.dataset.folder import Dataset
    from benchmark.engine.progress import progress_bar
    from captioning.quality.agreement import ClipScorer, agreement
    from captioning.quality.entries import read_entries
    from captioning.quality.inspect import inspect, units
    from captioning.quality.report import write_report
    from models.files import single_writer

    data = Dataset(dataset)
    entries = read_entries(caption_files(data))
    report = dataset / "captions" / "report"
    cosines: dict[str, float] = {}
    with single_writer(report):
        if clip:
            scorer = ClipScorer(clip, device=device)
            captions: dict[str, str] = {}
            for entry in entries:
                captions.setdefault(entry.clean_sha256, entry.caption.encode("utf-8", "replace").decode("utf-8"))
            with progress_bar("agreement", len(captions)) as progress:
                cosines = agreement(
                    parts(data), captions, scorer, work=report / ".clip", batch_size=batch_size, progress=progress
                )
        with progress_bar("check", units(entries)) as progress:
            found = inspect(entries, near=near, cosines=cosines, progress=progress)
        write_report(report, found, title=data.name, clip=clip, lowest=lowest)
    counts = {kind: len({f.entry for f in found.findings if f.kind == kind}) for kind in KINDS}
    for kind, count in counts.items():
        if count:
            click.echo(f"{kind}: {count} of {len(entries)} captions")
    click.echo(f"Report: {report / 'report.md'}")
    failing = [kind for kind, count in counts.items() if count and kind not in allow]
    if strict and failing:
        click.echo(f"found and not allowed: {', '.join(failing)}", err=True)
        raise click.exceptions.Exit(1)


def caption_files(data: Dataset) -> dict[str, Path]:
    """Return the caption file of each split that has one.

    Raises:
        UserError: No split has one.
    """
    files = {split: data.folder / "captions" / f"{split}.parquet" for split in data.manifest["splits"]}
    found = {split: file for split, file in files.items() if file.is_file()}
    if not found:
        raise UserError(f"{data.folder} has no captions: run bench caption {data.folder} first")
    return found


def parts(data: Dataset) -> list[Part]:
    """Return the clean images of a dataset, shard by shard."""
    import pyarrow.parquet as pq

    from captioning.quality.agreement import Part

    def images(file: Path) -> Iterator[tuple[str, bytes]]:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=16, columns=["clean_sha256", "clean"]):
            for row in batch.to_pylist():
                yield row["clean_sha256"], row["clean"]["bytes"]

    files = [file for split in data.manifest["splits"] for file in data.shards(split)]
    return [Part(file.stem, lambda file=file: images(file)) for file in files]
