"""The authors' folders: `<train|val>/<type>/{LQ,GT}/*`, with their caption files when there are captions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pyarrow.parquet as pq

from benchmark.dataset import Dataset
from benchmark.export import daclip_csv
from benchmark.export.names import SPLIT_FOLDERS, by_type, file_stems
from benchmark.export.run import Options, Plan, Unit, captioned

ROLES = {"degraded": "LQ", "clean": "GT"}


def plan(data: Dataset, out: Path, options: Options) -> Plan:
    """Plan the folders that the official code trains and tests on.

    Images are written byte for byte as they are stored. The official loader pairs files by sorting their full paths:
    both files of a pair get the same stem, and stems sort as the pairs do.

    Arguments:
        data: The dataset.
        out: Folder to write.
        options: `dataroot` is what paths in the caption files begin with; the folder itself by default.
    """
    units: list[Unit] = []
    for split in data.manifest["splits"]:
        rows = data.index(split)
        places: dict[str, tuple[str, str]] = {}
        for word, same in by_type(rows).items():
            for row, stem in zip(same, file_stems(same), strict=True):
                places[row["key"]] = (f"{SPLIT_FOLDERS[split]}/{word}", stem)
        for shard in data.shards(split):
            units.append(Unit(shard.stem, *_weight(shard), _writer(shard, out, places)))
    chosen = replace(options, dataroot=options.dataroot or str(out))
    units += [replace(daclip_csv.unit(data, split, out, chosen), rows=0) for split in captioned(data)]
    folders = [f"{out / SPLIT_FOLDERS[split]}" for split in data.manifest["splits"]]
    hints = [f"dataroot in the official options files: {', '.join(folders)}"]
    if not captioned(data):
        hints.append("no captions yet: run bench caption, then this command again, and the caption files are added")
    return Plan({}, units, hints)


def _writer(shard: Path, out: Path, places: Mapping[str, tuple[str, str]]) -> Callable[[], Sequence[Path]]:
    return lambda: write_shard(shard, out, places)


def write_shard(shard: Path, out: Path, places: Mapping[str, tuple[str, str]]) -> list[Path]:
    """Write the images of one Parquet file.

    Arguments:
        shard: The Parquet file.
        out: Folder to write.
        places: Folder below `out` and file stem of each pair, by key.

    Returns:
        The files, all on the disk.
    """
    written: list[Path] = []
    for batch in pq.ParquetFile(shard).iter_batches(batch_size=16, columns=["key", *ROLES]):
        for row in batch.to_pylist():
            folder, stem = places[row["key"]]
            for role, name in ROLES.items():
                path = out / folder / name / f"{stem}{PurePosixPath(row[role]['path']).suffix}"
                partial = path.with_name(f".{path.name}.partial")
                try:
                    partial.write_bytes(row[role]["bytes"])
                except FileNotFoundError:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    partial.write_bytes(row[role]["bytes"])
                os.replace(partial, path)
                written.append(path)
    os.sync()  # once a shard: file by file, an export of 100,000 files would spend most of its time waiting
    return written


def _weight(shard: Path) -> tuple[int, int]:
    """Return rows and about how many bytes their images take as files."""
    file = pq.ParquetFile(shard)
    digests = file.read(columns=["clean_sha256"])["clean_sha256"].to_pylist()
    sizes = dict.fromkeys(ROLES, 0)
    for group in range(file.metadata.num_row_groups):
        columns = file.metadata.row_group(group)
        for index in range(columns.num_columns):
            column = columns.column(index)
            role, _, part = column.path_in_schema.partition(".")
            if role in sizes and part == "bytes":
                sizes[role] += column.total_uncompressed_size
    # A clean image that several rows share is stored once, and written once for each.
    copies = len(digests) / max(1, len(set(digests)))
    return len(digests), sizes["degraded"] + int(sizes["clean"] * copies)
