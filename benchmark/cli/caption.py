"""`bench caption`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from captioning.captioners import CAPTIONERS
from models.errors import UserError

if TYPE_CHECKING:
    from benchmark.dataset import Dataset
    from captioning.captioners.contract import Captioner


@click.command(
    name="caption",
    epilog="""\b
Examples:
  bench caption datasets/demo --captioner sidecar
  bench caption datasets/paper                              (BLIP large, the paper's)
  bench caption datasets/paper --captioner weights/blip     (a folder written by save_pretrained)""",
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--captioner", default="blip-large", show_default=True, metavar="NAME_OR_FOLDER", help="See bench list captioners."
)
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1), help="Images at once.")
@click.option("--device", default="cpu", show_default=True, help="Where the captioner runs: cpu, cuda, cuda:1, ...")
@click.option("--replace", is_flag=True, help="Overwrite captions that another captioner has written.")
def command(dataset: Path, captioner: str, batch_size: int, device: str, replace: bool) -> None:
    """Write captions/<split>.parquet of DATASET: each unique clean image is captioned once."""
    from benchmark.dataset import Dataset
    from benchmark.progress import progress_bar
    from captioning.run import caption_split
    from models.files import single_writer

    data = Dataset(dataset)
    writer = open_captioner(captioner, data, device)
    with single_writer(dataset):
        for split, facts in data.manifest["splits"].items():
            with progress_bar(f"caption {split}", facts["rows"]) as progress:
                unique = caption_split(
                    shards(data, split),
                    writer,
                    dataset / "captions" / f"{split}.parquet",
                    digest=facts["digest"],
                    batch_size=batch_size,
                    replace=replace,
                    progress=progress,
                )
            click.echo(f"{split}: {facts['rows']} texts from {unique} unique clean images by {writer.name}")


def open_captioner(name: str, data: Dataset, device: str) -> Captioner:
    """Return the captioner called `name`, or the BLIP in the folder `name`.

    Raises:
        UserError: There is neither, the dataset brings no captions, or the weights are missing.
    """
    if name not in CAPTIONERS and Path(name).is_dir():
        return CAPTIONERS.load("blip-large")(name=f"blip:{Path(name).resolve().name}", weights=name, device=device)
    if name not in CAPTIONERS and ("/" in name or name.startswith(".")):
        raise UserError(f"captioner folder not found: {name}")
    card = CAPTIONERS[name]
    if card.weights is not None:
        return CAPTIONERS.load(name)(name=name, weights=card.weights, device=device)
    import pyarrow.parquet as pq

    found: dict[str, str] = {}
    for part in data.manifest["sidecar"].values():
        for row in pq.read_table(data.folder / part["file"]).to_pylist():
            found[row["clean_sha256"]] = row["caption"]
    if not found:
        raise UserError(f"no source of {data.folder} brought captions: use --captioner blip-large or a model's folder")
    return CAPTIONERS.load(name)(found)


def shards(data: Dataset, split: str) -> list[Any]:
    """Return the parts of a split as the captioning room takes them."""
    import pyarrow.parquet as pq

    from captioning.run import Shard

    def rows(file: Path, pixels: bool) -> Iterator[dict[str, Any]]:
        columns = ["key", "degradation", "clean_sha256", *(["clean"] if pixels else [])]
        for batch in pq.ParquetFile(file).iter_batches(batch_size=16, columns=columns):
            for row in batch.to_pylist():
                clean = row.pop("clean", None)
                yield {**row, "data": clean["bytes"] if clean else None}

    return [Shard(file.stem, lambda pixels, file=file: rows(file, pixels)) for file in data.shards(split)]
