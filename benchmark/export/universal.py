"""The authors' folders: `<train|val>/<type>/{LQ,GT}/*`, with their caption files when there are captions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from benchmark.dataset.folder import Dataset
from benchmark.export import daclip_csv
from benchmark.export.names import SPLIT_FOLDERS, image_names
from benchmark.export.run import Options, Plan, Unit, captioned
from models.files import atomic_path, below

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
        names = image_names(data, split, out, ROLES)
        for shard in data.shards(split):
            units.append(Unit(shard.stem, *_weight(shard), partial(write_shard, data, shard, out, names)))
    chosen = replace(options, dataroot=options.dataroot or str(out))
    units += [replace(daclip_csv.unit(data, split, out, chosen), rows=0) for split in captioned(data)]
    folders = [f"{out / SPLIT_FOLDERS[split]}" for split in data.manifest["splits"]]
    hints = [f"dataroot in the official options files: {', '.join(folders)}"]
    if not captioned(data):
        hints.append("no captions yet: run bench caption, then this command again, and the caption files are added")
    return Plan({}, units, hints)


def write_shard(data: Dataset, shard: Path, out: Path, names: Mapping[str, Mapping[str, str]]) -> dict[Path, str]:
    """Write the images of one Parquet file, each after comparing it with its digest.

    Arguments:
        data: The dataset.
        shard: The Parquet file.
        out: Folder to write.
        names: Names below `out` of the images of each pair, by key and role.

    Returns:
        The files, all on the disk, and their SHA-256.
    """
    written: dict[Path, str] = {}
    folders: dict[str, Path] = {}
    for row in data.shard_rows(shard, ["key", *ROLES]):
        for role in ROLES:
            folder, _, name = names[row["key"]][role].rpartition("/")
            if folder not in folders:
                folders[folder] = below(out, folder, what="type")
            path = folders[folder] / name
            # All of them reach the disk together: one by one, 100,000 files would mostly wait for it.
            with atomic_path(path, flush=False) as unfinished:
                unfinished.write_bytes(row[role]["bytes"])
            written[path] = row[f"{role}_sha256"]
    os.sync()
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
