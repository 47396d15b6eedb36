"""Reading a dataset folder: manifest, light columns, pairs one by one, captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmark.dataset.manifest import MANIFEST, read_manifest
from benchmark.dataset.schema import LIGHT_COLUMNS, RECORDS
from benchmark.dataset.shards import DAMAGE, ROLES, check_image, check_images, check_shard, checked_ahead, told_rows
from captioning.sets import current_set
from captioning.tables import read_captions
from captioning.text import join_text
from models.errors import UserError
from models.files import sha256_json
from models.images.pixels import BadImage, decode

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
        if not (folder / MANIFEST).is_file():
            raise UserError(f"{folder} has no manifest.json: not a dataset, or its build has not ended (run it again)")
        self.manifest: dict[str, Any] = read_manifest(folder)
        self._compared: set[str] = set()
        self._written = {shard["file"]: shard for shard in self.manifest["shards"]}
        for name in self._written:
            if not (folder / name).is_file():
                raise UserError(
                    f"shard {name} is missing from {folder}: run the same bench build-dataset command again"
                )

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
            UserError: The file is gone, is none of this dataset, not the one that was written, or its columns are not
                those of a dataset.
        """
        return check_shard(shard, self._facts(shard)["sha256"])

    def _facts(self, shard: Path) -> dict[str, Any]:
        name = f"data/{shard.name}"
        if name not in self._written:
            raise UserError(f"{shard} is no shard of {self.folder}: its manifest does not name it")
        return self._written[name]

    def _told(self, shard: Path) -> list[dict[str, Any]]:
        """Return the rows of a shard without the bytes of their images, as they were written."""
        columns = self._facts(shard).get("columns")
        if columns is None:  # manifests of before there were seals: only the digest of the whole file tells
            self.checked(shard)
        return told_rows(shard, columns=columns)

    def index(self, split: str) -> list[dict[str, Any]]:
        """Return every row of a split without its pixels, in order.

        Raises:
            UserError: The rows are not those that were written.
        """
        rows = [row for shard in self.shards(split) for row in self._told(shard)]
        facts = self.split(split)
        digest = sha256_json([[row["key"], row["degraded_sha256"], row["clean_sha256"]] for row in rows])
        by_source: dict[str, Counter[str]] = {}
        for row in rows:
            by_source.setdefault(row["source"], Counter())[row["degradation"]] += 1
        if digest != facts["digest"] or by_source != facts["by_source"]:
            raise UserError(
                f"the rows of the {split} split of {self.folder} are not those that its manifest describes: run bench "
                "verify, and the same bench build-dataset command again, which mends it"
            )
        if len({row["key"] for row in rows}) != len(rows):
            raise UserError(f"{self.folder} holds a key twice in its {split} split: build it again")
        self._compared.add(split)
        return [{name: row[name] for name in LIGHT_COLUMNS} for row in rows]

    def rows(self, split: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a split in order, a row group at a time.

        Arguments:
            split: Its name.
            columns: Those that are wanted; None for all.

        Raises:
            UserError: A shard, or an image in it, is not what was written; the shard or key is named.
        """
        wanted = list(RECORDS.names if columns is None else columns)
        if split not in self._compared:  # results are kept under the digest of the split
            self.index(split)
        for shard in self.shards(split):
            self._told(shard)
            yield from ({name: row[name] for name in wanted} for row in self.shard_rows(shard, wanted))

    def shard_rows(self, shard: Path, columns: Sequence[str], *, group: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of one shard, each image after it was compared with its digest.

        The other columns are those that `index` has compared, which has to come first.

        Arguments:
            shard: One of `shards`.
            columns: Those that are wanted; the key and the digests of the images among them come along.
            group: Of one row group; None for all.

        Raises:
            UserError: An image is not what was written, or the file cannot be read.
        """
        images = [role for role in ROLES if role in columns]
        read = list(dict.fromkeys([*columns, "key", *(f"{role}_sha256" for role in images)]))
        groups = None if group is None else [group]
        try:
            with pq.ParquetFile(shard) as opened:
                batches = opened.iter_batches(batch_size=16, columns=read, row_groups=groups)
                for rows in checked_ahead(batch.to_pylist() for batch in batches):
                    yield from rows
        except DAMAGE as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"shard {shard} cannot be read ({first}): run bench verify {self.folder}") from None

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
