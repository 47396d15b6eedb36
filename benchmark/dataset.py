"""Reading a dataset folder: manifest, light columns, pairs one by one, captions."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmark.schema import LIGHT_COLUMNS, SCHEMA_VERSION
from benchmark.shards import check_image, check_images, check_shard
from captioning.sets import current_set
from captioning.tables import read_captions
from captioning.text import join_text
from models.errors import UserError
from models.files import read_json, sha256_json
from models.images import BadImage, decode

__all__ = ["Dataset", "Pair", "captions_digest", "check_image", "check_images"]


@dataclass(frozen=True)
class Pair:
    """A decoded pair.

    Arguments:
        key: Its key.
        degradation: Its type.
        degraded: Pixels with shape `(H, W, 3)`, uint8, RGB.
        clean: Pixels with the same shape.
    """

    key: str
    degradation: str
    degraded: np.ndarray
    clean: np.ndarray


class Dataset:
    """A finished dataset folder.

    Arguments:
        folder: The folder that `bench build-dataset` wrote.

    Raises:
        UserError: There is no manifest (the build has not ended), it is of another schema, or a shard is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise UserError(f"dataset folder not found: {folder}")
        if not (folder / "manifest.json").is_file():
            raise UserError(f"{folder} has no manifest.json: not a dataset, or its build has not ended (run it again)")
        self.manifest: dict[str, Any] = read_json(folder / "manifest.json", "dataset manifest")
        if self.manifest.get("schema") != SCHEMA_VERSION:
            found = self.manifest.get("schema")
            raise UserError(f"{folder} has schema {found}, this version reads {SCHEMA_VERSION}: build it again")
        for shard in self.manifest["shards"]:
            if not (folder / shard["file"]).is_file():
                raise UserError(f"shard {shard['file']} is missing from {folder}: build the dataset again")

    @property
    def name(self) -> str:
        """Name of its test set: its single source, or the folder's name when there are several."""
        sources = {name for split in self.manifest["splits"].values() for name in split["sources"]}
        return sources.pop() if len(sources) == 1 else self.folder.resolve().name

    @property
    def digest(self) -> str:
        """Digest of all shards."""
        return self.manifest["digest"]

    def split(self, split: str) -> dict[str, Any]:
        """Return counts and digest of a split.

        Raises:
            UserError: The dataset has no such split.
        """
        if split not in self.manifest["splits"]:
            known = ", ".join(self.manifest["splits"])
            raise UserError(f"{self.folder} has no {split} split (it has: {known}): add a source that brings one")
        return self.manifest["splits"][split]

    def degradations(self, split: str) -> list[str]:
        """Return the degradations of a split, in the paper's order."""
        return list(self.split(split)["counts"])

    def shards(self, split: str) -> list[Path]:
        """Return the Parquet files of a split, in order."""
        self.split(split)
        return [self.folder / s["file"] for s in self.manifest["shards"] if s["file"].startswith(f"data/{split}-")]

    def checked(self, shard: Path) -> Path:
        """Return the path of a shard after comparing the file with the manifest, once in this process.

        Arguments:
            shard: One of `shards`.

        Raises:
            UserError: The file is gone, is none of this dataset, or not the one that was written.
        """
        written = {s["file"]: s["sha256"] for s in self.manifest["shards"]}
        name = f"data/{shard.name}"
        if name not in written:
            raise UserError(f"{shard} is no shard of {self.folder}: its manifest does not name it")
        return check_shard(shard, written[name])

    def index(self, split: str) -> list[dict[str, Any]]:
        """Return every row of a split without its pixels, in order."""
        rows: list[dict[str, Any]] = []
        for shard in self.shards(split):
            rows += pq.read_table(shard, columns=LIGHT_COLUMNS).to_pylist()
        return rows

    def rows(self, split: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a split in order, a row group at a time."""
        for shard in self.shards(split):
            for batch in pq.ParquetFile(shard).iter_batches(batch_size=16, columns=columns):
                yield from batch.to_pylist()

    def pairs(self, split: str, *, skip: Container[str] = ()) -> Iterator[Pair]:
        """Yield the decoded pairs of a split in order, but those whose keys are in `skip`.

        Raises:
            BadImage: An image cannot be decoded; the key is named.
        """
        for row in self.rows(split, columns=["key", "degradation", "degraded", "clean"]):
            if row["key"] in skip:
                continue
            try:
                degraded, clean = decode(row["degraded"]["bytes"]), decode(row["clean"]["bytes"])
            except BadImage as error:
                raise BadImage(f"{row['key']}: {error}; run bench verify on {self.folder}") from None
            yield Pair(row["key"], row["degradation"], degraded, clean)

    def captions(self, split: str) -> list[dict[str, Any]]:
        """Return the caption rows of a split, in the order of the pairs.

        Raises:
            UserError: There are none yet, they belong to other images, or were changed after they were written.
        """
        file = self.folder / "captions" / f"{split}.parquet"
        if not file.is_file():
            raise UserError(f"{self.folder} has no captions for {split}: run bench caption {self.folder} first")
        facts, rows = read_captions(file)
        if facts and facts["digest"] != self.split(split)["digest"]:
            raise UserError(f"{file} was made for another build of this dataset: run bench caption --replace")
        if facts and (current := current_set(file.parent)) not in (None, facts["set"]):
            raise UserError(
                f"{file} holds captions of {facts['set']}, in use are those of {current}: run bench caption"
            )
        by_key = {row["key"]: row for row in rows}
        ordered = []
        for row in self.index(split):
            caption = by_key.get(row["key"])
            if caption is None or caption["clean_sha256"] != row["clean_sha256"]:
                raise UserError(f"{file} has no caption for {row['key']}: run bench verify, then bench caption again")
            text = join_text(caption["caption"], row["degradations"] or [row["degradation"]])
            if facts and (caption["text"], caption["degradation"]) != (text, row["degradation"]):
                raise UserError(f"{file}: the text of {row['key']} names other degradations: run bench caption again")
            ordered.append(caption)
        return ordered


def captions_digest(dataset: Dataset, split: str) -> str:
    """Return the SHA-256 of the captions of a split: key, caption and text of every pair, in order.

    Raises:
        UserError: See `Dataset.captions`.
    """
    return sha256_json([[row["key"], row["caption"], row["text"]] for row in dataset.captions(split)])
