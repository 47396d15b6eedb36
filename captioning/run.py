"""Captions of a whole split, shard by shard: each unique clean image once, resumable, never touching pixels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from captioning.captioners.contract import Captioner, CleanImage
from captioning.text import join_text
from models.errors import UserError
from models.files import atomic_path, read_json, sha256_json, write_json

SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("key", "caption", "degradation", "text", "captioner", "revision", "settings", "clean_sha256")
    ]
)


@dataclass(frozen=True)
class Shard:
    """A part of a split.

    Arguments:
        name: Stable name, unique within the split.
        rows: Given whether the images are wanted, returns an iterator over its rows with `key`, `degradation`,
            `clean_sha256` and `data` (the clean image's bytes, or None).
    """

    name: str
    rows: Callable[[bool], Iterator[Mapping[str, Any]]]


def caption_split(
    shards: Sequence[Shard],
    captioner: Captioner,
    out: Path,
    *,
    digest: str,
    batch_size: int = 16,
    replace: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write the captions of one split as Parquet, continuing an interrupted run.

    Arguments:
        shards: The parts of the split, in order.
        captioner: Who writes the captions.
        out: The Parquet file, e.g. `captions/train.parquet`.
        digest: Digest of the split; with the captioner's settings it tells finished work from other work.
        batch_size: Images handed to the captioner at once.
        replace: Whether captions by another captioner may be overwritten.
        progress: Called with the number of rows done.

    Returns:
        The number of unique clean images.

    Raises:
        UserError: The file holds captions by another captioner and `replace` is False.
    """
    birth = {"captioner": captioner.name, "revision": captioner.revision, "settings": json.dumps(captioner.settings)}
    identity = sha256_json({**birth, "digest": digest})
    if out.is_file():
        metadata = pq.read_schema(out).metadata or {}
        if metadata.get(b"identity") == identity.encode():
            return int(metadata[b"unique"])
        if not replace:
            raise UserError(
                f"{out} already holds other captions: add --replace to overwrite them, or move the file away"
            )
    work = out.parent / f".{out.stem}-{identity[:16]}"
    captions: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    for shard in shards:
        part = work / f"{shard.name}.json"
        if not part.is_file():
            write_json(part, _caption_shard(shard, captioner, captions, batch_size))
        captions.update(read_json(part, "caption part"))
        for row in shard.rows(False):
            sha, word = row["clean_sha256"], row["degradation"]
            pair = {"key": row["key"], "degradation": word, "clean_sha256": sha}
            rows.append({**pair, "caption": captions[sha], "text": join_text(captions[sha], word), **birth})
        progress(len(rows))
    schema = SCHEMA.with_metadata({"identity": identity, "unique": str(len(captions))})
    with atomic_path(out) as partial:
        pq.write_table(pa.Table.from_pylist(rows, schema), partial, compression="zstd")
    shutil.rmtree(work, ignore_errors=True)
    return len(captions)


def _caption_shard(shard: Shard, captioner: Captioner, known: Mapping[str, str], batch_size: int) -> dict[str, str]:
    """Return the captions of the images of a shard that no earlier shard held, by sha256."""
    seen = set(known)

    def unseen() -> Iterator[CleanImage]:
        for row in shard.rows(True):
            if row["clean_sha256"] not in seen:
                seen.add(row["clean_sha256"])
                yield CleanImage(row["clean_sha256"], row["key"], row["data"])

    captions: dict[str, str] = {}
    images = unseen()
    while batch := list(islice(images, batch_size)):
        captions.update(zip((image.sha256 for image in batch), captioner.caption(batch), strict=True))
    return captions
