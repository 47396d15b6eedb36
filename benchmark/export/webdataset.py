"""WebDataset shards: tar files of degraded images, texts and facts, for open_clip's trainer."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmark.dataset.folder import Dataset
from benchmark.dataset.schema import LIGHT_COLUMNS
from benchmark.export.names import endings
from benchmark.export.run import Options, Plan, Unit, caption_file, captioned
from models.files import atomic_path, below, sha256_bytes, sha256_file, write_json

OVERHEAD = 5120  # bytes of a sample besides its image: headers of 512, padding, text and facts
LONGEST = 80  # a name in a ustar header has room for 100 bytes
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True)
class Slice:
    """Some rows of a row group of a Parquet file.

    Arguments:
        file: The Parquet file.
        group: Number of the row group.
        start: First row.
        stop: Row after the last.
        size: About how many bytes their degraded images take.
    """

    file: Path
    group: int
    start: int
    stop: int
    size: int


def plan(data: Dataset, out: Path, options: Options) -> Plan:
    """Plan the tar files of all splits that have captions.

    A sample is `<key>.<jpg|png>` (the degraded image as stored), `<key>.json` and `<key>.txt` (the text). The test
    split keeps its order. Row groups of the training split are mixed by digest, because the trainer shuffles a few
    thousand neighbours only, and a dataset comes type by type.

    Raises:
        UserError: The captions belong to other images.
    """
    units: list[Unit] = []
    hints: list[str] = []
    sizes: dict[str, int] = {}
    for split in captioned(data):
        captions = {row["key"]: row for row in data.captions(split)}
        identity = sha256_file(caption_file(data, split))
        suffixes = endings(data, split, "degraded")
        shards = cut(row_groups(data, split, mixed=split == "train"), options.shard_size)
        for number, part in enumerate(shards):
            name, rows = f"{split}-{number:05d}.tar", sum(piece.stop - piece.start for piece in part)
            size = sum(piece.size for piece in part) + rows * OVERHEAD
            start = number * options.shard_size
            write = partial(write_shard, data, part, captions, suffixes, below(out, name), start=start)
            units.append(Unit(name, rows, size, write, identity))
            sizes[name] = rows
        hints.append(f"--{'train' if split == 'train' else 'val'}-data '{out / pattern(split, len(shards))}'")
    units.append(Unit("sizes", 0, OVERHEAD, partial(_write_sizes, below(out, "sizes.json"), sizes)))
    hints.append("--dataset-type webdataset")
    return Plan({"shard_size": options.shard_size}, units, hints)


def pattern(split: str, count: int) -> str:
    """Return the shards of a split in the form that open_clip expands, e.g. `"train-{00000..00012}.tar"`."""
    return f"{split}-{{00000..{count - 1:05d}}}.tar" if count > 1 else f"{split}-00000.tar"


def row_groups(data: Dataset, split: str, *, mixed: bool) -> list[Slice]:
    """Return the row groups of a split, in order or mixed in a way that depends on the dataset alone."""
    found: list[Slice] = []
    for file in data.shards(split):
        metadata = pq.ParquetFile(file).metadata
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            columns = [group.column(number) for number in range(group.num_columns)]
            size = sum(c.total_uncompressed_size for c in columns if c.path_in_schema == "degraded.bytes")
            if group.num_rows:
                found.append(Slice(file, index, 0, group.num_rows, size))
    if mixed:
        found.sort(key=lambda piece: sha256_bytes(f"{piece.file.name} {piece.group}".encode()))
    return found


def cut(pieces: Sequence[Slice], rows: int) -> list[list[Slice]]:
    """Cut row groups into shards of `rows` samples; the last one may hold fewer."""
    shards: list[list[Slice]] = []
    room = 0
    for piece in pieces:
        start = piece.start
        while start < piece.stop:
            if not room:
                shards.append([])
                room = rows
            stop = min(piece.stop, start + room)
            size = piece.size * (stop - start) // (piece.stop - piece.start)
            shards[-1].append(Slice(piece.file, piece.group, start, stop, size))
            room -= stop - start
            start = stop
    return shards


def sample_key(number: int, key: str) -> str:
    """Return the name of a sample: its place, so that names sort, and the pair's key without dots and slashes."""
    slug = _UNSAFE.sub("_", key).strip("_")
    if len(slug) > LONGEST:
        slug = f"{slug[: LONGEST - 9]}_{sha256_bytes(key.encode())[:8]}"
    return f"{number:08d}_{slug}"


def write_shard(
    data: Dataset,
    part: Sequence[Slice],
    captions: Mapping[str, Mapping[str, Any]],
    suffixes: Mapping[str, str],
    file: Path,
    *,
    start: int,
) -> Mapping[Path, str]:
    """Write one tar file; the same samples always give the same bytes.

    Arguments:
        data: The dataset.
        part: The rows.
        captions: Caption row by key.
        suffixes: Ending of the degraded image by key.
        file: The tar file.
        start: Number of its first sample within the split.

    Returns:
        The file and its SHA-256.
    """
    number = start
    with atomic_path(file) as unfinished:
        with tarfile.open(unfinished, "w", format=tarfile.USTAR_FORMAT) as tar:
            for piece in part:
                rows = data.shard_rows(piece.file, [*LIGHT_COLUMNS, "degraded"], group=piece.group)
                for row in islice(rows, piece.start, piece.stop):
                    image, told = row.pop("degraded"), captions[row["key"]]
                    facts = {**row, "caption": told["caption"], "text": told["text"], "captioner": told["captioner"]}
                    name = sample_key(number, row["key"])
                    _add(tar, name + suffixes[row["key"]], image["bytes"])
                    _add(tar, name + ".json", json.dumps(facts, sort_keys=True, ensure_ascii=False).encode())
                    _add(tar, name + ".txt", told["text"].encode())
                    number += 1
        digest = sha256_file(unfinished)
    return {file: digest}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)  # time, owner and group are 0 and empty: nothing of this machine gets in
    header.size = len(data)
    header.mode = 0o644
    tar.addfile(header, io.BytesIO(data))


def _write_sizes(file: Path, sizes: Mapping[str, int]) -> Mapping[Path, str]:
    write_json(file, sizes)
    return {file: sha256_file(file)}
