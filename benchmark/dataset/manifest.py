"""The manifest of a dataset as it is read: types, names, sums and digests are checked before anything trusts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.dataset.schema import SCHEMA_VERSION, plain_name
from benchmark.results.strict import parse
from models.errors import UserError
from models.files import SEAL, check_seal, read_json, sha256_json
from models.vocabulary import SPLITS

MANIFEST = "manifest.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(rf"data/(?P<split>{'|'.join(SPLITS)})-\d{{5,}}-of-\d{{5,}}\.parquet")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a dataset, which anybody may have written.

    Arguments:
        folder: The dataset folder.

    Returns:
        Its values, without the seal.

    Raises:
        UserError: There is none, it was changed after it was written, is of another schema, has values of other types
            than a build writes, names files outside `data`, or contradicts itself.
    """
    file = folder / MANIFEST
    value = read_json(file, "dataset manifest")
    schema = value.get("schema")
    if schema != SCHEMA_VERSION or isinstance(schema, bool):
        raise UserError(f"{folder} has schema {schema!r}, this version reads {SCHEMA_VERSION}: build it again")
    # Manifests of before there were seals have none; the strict reader knows every key that they had.
    check_seal(value, f"dataset manifest {file}", required=False, remedy="fetch it anew, or delete it and build again")
    bare = {key: item for key, item in value.items() if key != SEAL}
    manifest = parse(_Manifest, bare, where=f"dataset manifest {file}")
    if SEAL not in value and any(shard.columns is not None for shard in manifest.shards):
        raise UserError(f"dataset manifest {file} has lost its seal: fetch it anew, or delete it and build again")
    return bare


@dataclass(frozen=True)
class _File:
    file: str
    rows: int
    sha256: str

    def __post_init__(self) -> None:
        _digest(self.sha256, "sha256")
        if self.rows < 0:
            raise UserError(f"{self.file!a} has {self.rows} rows")


@dataclass(frozen=True)
class _Shard(_File):
    columns: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _SHARD.fullmatch(self.file):
            raise UserError(f"{self.file!a} cannot name a shard: expected data/SPLIT-NUMBER-of-NUMBER.parquet")
        if self.columns is not None:
            _digest(self.columns, "columns")


@dataclass(frozen=True)
class _Split:
    rows: int
    counts: Mapping[str, int]
    sources: Mapping[str, int]
    by_source: Mapping[str, Mapping[str, int]]
    unique_clean: int
    digest: str

    def __post_init__(self) -> None:
        _digest(self.digest, "digest")
        for name in (*self.counts, *self.sources):
            if not plain_name(name, parts=False):
                raise UserError(f"{name!a} cannot name a degradation or source")
        across = {word: sum(part.get(word, 0) for part in self.by_source.values()) for word in self.counts}
        if (
            min((self.unique_clean, *self.counts.values(), *self.sources.values())) < 1
            or {name: sum(part.values()) for name, part in self.by_source.items()} != dict(self.sources)
            or across != dict(self.counts)
            or not self.unique_clean <= self.rows == sum(self.counts.values()) == sum(self.sources.values())
        ):
            raise UserError("its counts do not add up")


@dataclass(frozen=True)
class _LeftOut:
    key: str
    reason: str


@dataclass(frozen=True)
class _Manifest:
    schema: int
    tool: str
    plan: str
    recipe: Mapping[str, Any]
    splits: Mapping[str, _Split]
    shards: tuple[_Shard, ...]
    sidecar: Mapping[str, _File]
    quarantine: tuple[_LeftOut, ...]
    digest: str

    def __post_init__(self) -> None:
        _check_recipe(self.recipe)
        files = [shard.file for shard in self.shards]
        if len(set(files)) != len(files):
            raise UserError("it names a shard twice")
        if not self.splits:
            raise UserError("it has no split")
        for split in (*self.splits, *self.sidecar):
            if split not in SPLITS:
                raise UserError(f"{split!a} is no split: expected {' or '.join(SPLITS)}")
        for split in SPLITS:
            rows = sum(shard.rows for shard in self.shards if shard.file.startswith(f"data/{split}-"))
            if rows != (self.splits[split].rows if split in self.splits else 0):
                raise UserError(f"the rows of its {split} shards do not add up")
        for split, told in self.sidecar.items():
            if told.file != f"sidecar/{split}.parquet":
                raise UserError(
                    f"{told.file!a} cannot name the captions that came along: expected sidecar/{split}.parquet"
                )
        if self.digest != sha256_json([[shard.file, shard.sha256] for shard in self.shards]):
            raise UserError("its digest is not that of its shards: fetch it anew, or delete it and build again")


def _check_recipe(recipe: Mapping[str, Any]) -> None:
    preset, sources = recipe.get("preset"), recipe.get("sources", ())
    if not (preset is None or isinstance(preset, str)) or not isinstance(sources, list | tuple):
        raise UserError("its recipe is not what a build writes: expected a preset and a list of sources")
    for source in sources:
        if not isinstance(source, str) and not (isinstance(source, Mapping) and isinstance(source.get("name"), str)):
            raise UserError("its recipe names a source that is none: expected an object with a name")


def _digest(text: str, name: str) -> None:
    if not _SHA256.fullmatch(text):
        raise UserError(f"{name} is no SHA-256: {text[:80]!a}")
