"""The authors' caption files alone: `daclip_train.csv` and `daclip_val.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pyarrow.parquet as pq

from benchmark.dataset import Dataset
from benchmark.export.names import SPLIT_FOLDERS, by_type, file_stems
from benchmark.export.run import Options, Plan, Unit, captioned
from captioning.text import split_text
from captioning.titles import file_name, render_titles
from models.files import sha256_bytes, write_bytes

DATAROOT = "datasets/universal"
"""Where the official code looks for the dataset."""


def plan(data: Dataset, out: Path, options: Options) -> Plan:
    """Plan the caption files of all splits that have captions.

    Rows are grouped by type in the paper's order; `filepath` is the path that the degraded image has in the
    `universal` layout below the data root.
    """
    chosen = {"dataroot": options.dataroot or DATAROOT}
    units = [unit(data, split, out, options) for split in captioned(data)]
    return Plan(
        chosen, units, [f"--train-data {out / file_name('train')} --csv-img-key filepath --csv-caption-key title"]
    )


def unit(data: Dataset, split: str, out: Path, options: Options) -> Unit:
    """Return the work of writing the caption file of one split.

    Raises:
        UserError: The captions belong to other images.
    """
    content = render_titles(titles(data, split, dataroot=options.dataroot or DATAROOT))

    def write() -> Sequence[Path]:
        write_bytes(out / file_name(split), content)
        return [out / file_name(split)]

    return Unit(f"captions-{split}", data.split(split)["rows"], len(content), write, sha256_bytes(content))


def titles(data: Dataset, split: str, *, dataroot: str) -> Iterator[tuple[str, str, str]]:
    """Yield path of the degraded image, caption and degradation of each pair, in the authors' order."""
    captions = {row["key"]: row for row in data.captions(split)}
    endings = suffixes(data, split)
    root = PurePosixPath(dataroot) / SPLIT_FOLDERS[split]
    for word, rows in by_type(data.index(split)).items():
        for row, stem in zip(rows, file_stems(rows), strict=True):
            told = captions[row["key"]]
            degradation = split_text(told["text"])[1]
            yield str(root / word / "LQ" / f"{stem}{endings[row['key']]}"), told["caption"], degradation


def suffixes(data: Dataset, split: str) -> dict[str, str]:
    """Return the file ending of each pair's degraded image, by key, without reading any image."""
    found: dict[str, str] = {}
    for shard in data.shards(split):
        table = pq.ParquetFile(shard).read(columns=["key", "degraded.path"])
        for row in table.to_pylist():
            found[row["key"]] = PurePosixPath(row["degraded"]["path"]).suffix
    return found
