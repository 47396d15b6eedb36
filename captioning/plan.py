"""What is to be captioned: the pairs of a dataset, and where each unique clean image lies in its Parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from captioning.captioners.contract import CleanImage
from captioning.tables import UNREADABLE
from models.errors import UserError

UNIT = 64
"""Unique images that are finished together: what a killed run may have to do again."""


@dataclass(frozen=True)
class Split:
    """A split of a dataset.

    Arguments:
        files: Its Parquet files, in order.
        digest: Digest of its pairs.
    """

    files: tuple[Path, ...]
    digest: str


@dataclass(frozen=True)
class Row:
    """A pair: its key, its type, the words for what is wrong with it, and the digest of its clean image."""

    key: str
    degradation: str
    words: tuple[str, ...]
    clean_sha256: str


@dataclass(frozen=True)
class Location:
    """Where a clean image lies.

    Arguments:
        sha256: Digest of its bytes.
        key: Key of the first pair that holds it.
        file: The Parquet file.
        group: Row group in the file.
        row: Row in the group.
    """

    sha256: str
    key: str
    file: Path
    group: int
    row: int


@dataclass(frozen=True)
class Plan:
    """All pairs of each split, and each unique clean image once, in the order in which they are stored."""

    rows: Mapping[str, Sequence[Row]]
    images: Sequence[Location]


def make_plan(splits: Mapping[str, Split]) -> Plan:
    """Read what is to be captioned, without pixels.

    Arguments:
        splits: The splits of the dataset. Rows without a list of degradations count by their type.

    Raises:
        UserError: A file cannot be read.
    """
    rows: dict[str, list[Row]] = {}
    images: dict[str, Location] = {}
    for split, facts in splits.items():
        rows[split] = []
        for file in facts.files:
            for group, read in enumerate(_light_groups(file)):
                for number, row in enumerate(read):
                    rows[split].append(row)
                    if row.clean_sha256 not in images:
                        images[row.clean_sha256] = Location(row.clean_sha256, row.key, file, group, number)
    return Plan(rows, list(images.values()))


def _light_groups(file: Path) -> Iterator[list[Row]]:
    with _told(file), pq.ParquetFile(file) as parquet:
        wanted = [name for name in ("key", "degradation", "degradations", "clean_sha256") if name in _names(parquet)]
        for group in range(parquet.num_row_groups):
            found = parquet.read_row_group(group, columns=wanted).to_pylist()
            yield [
                Row(r["key"], r["degradation"], tuple(r.get("degradations") or [r["degradation"]]), r["clean_sha256"])
                for r in found
            ]


def _names(parquet: pq.ParquetFile) -> list[str]:
    return parquet.schema_arrow.names


def read_images(images: Iterable[Location], *, pixels: bool) -> Iterator[CleanImage]:
    """Yield the images at `images`, reading each row group once when they are in order.

    Arguments:
        images: Where they lie.
        pixels: Whether their bytes are wanted.

    Raises:
        UserError: A file cannot be read.
    """
    if not pixels:
        yield from (CleanImage(image.sha256, image.key, None) for image in images)
        return
    for file, here in groupby(images, key=lambda image: image.file):
        with _told(file), pq.ParquetFile(file) as parquet:
            for group, inside in groupby(here, key=lambda image: image.group):
                data = parquet.read_row_group(group, columns=["clean.bytes"])["clean"]
                for image in inside:
                    yield CleanImage(image.sha256, image.key, data[image.row].as_py()["bytes"])


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Turn what a damaged or vanished Parquet file raises into a sentence."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"shard {file} is not there: all machines of a cluster must see the dataset") from None
    except UNREADABLE as error:
        raise UserError(f"shard {file} cannot be read ({error}): build the dataset again") from None
