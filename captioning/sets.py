"""Sets of captions: every captioner's own files, and which of them a dataset uses now.

    captions/<set>/<split>.parquet      what one captioner wrote, one row a pair, joined by key
    captions/current.json               which set is in use
    captions/<split>.parquet            a copy of that set's file, for every reader

A set is named after its captioner and a digest of captioner, revision and settings, so captioners never share a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from captioning.captioners.contract import Captioner
from captioning.plan import Row, Split
from captioning.text import join_text
from models.errors import UserError
from models.files import atomic_path, read_json, sha256_json, write_bytes, write_json

SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("key", "caption", "degradation", "text", "captioner", "revision", "settings", "clean_sha256")
    ]
)


def birth_of(captioner: Captioner) -> dict[str, str]:
    """Return what a caption depends on besides the image; it stands in every row."""
    settings = json.dumps(captioner.settings)
    return {"captioner": captioner.name, "revision": captioner.revision, "settings": settings}


def set_name(birth: Mapping[str, str]) -> str:
    """Return the folder name of a set, e.g. `"blip-large-1f2e3d4c"`."""
    slug = re.sub(r"[^a-z0-9.]+", "-", birth["captioner"].lower()).strip("-.") or "captions"
    return f"{slug}-{sha256_json(dict(birth))[:8]}"


def facts_of(file: Path) -> dict[str, str]:
    """Return what a caption file says about itself: set, digest of the split, rows, unique and unreadable images.

    Returns an empty dictionary when there is no such file, or when another program wrote it.

    Raises:
        UserError: It is no Parquet file.
    """
    if not file.is_file():
        return {}
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{file} cannot be read ({error}): delete it and run bench caption again") from None
    facts = {key.decode(): value.decode() for key, value in metadata.items()}
    return facts if "set" in facts else {}


def is_finished(file: Path, *, name: str, digest: str) -> bool:
    """Return whether a file holds all captions of a set for a split with this digest, none left out."""
    facts = facts_of(file)
    return bool(facts) and (facts["set"], facts["digest"], facts["unreadable"]) == (name, digest, "0")


def captions_in(files: Iterable[Path], *, name: str) -> dict[str, str]:
    """Return the captions of a set by digest of the clean image, whichever pairs they were written for."""
    known: dict[str, str] = {}
    for file in files:
        if facts_of(file).get("set") == name:
            table = pq.read_table(file, columns=["clean_sha256", "caption"])
            known |= dict(zip(table["clean_sha256"].to_pylist(), table["caption"].to_pylist(), strict=True))
    return known


def write_split(
    file: Path, rows: Sequence[Row], captions: Mapping[str, str], *, birth: Mapping[str, str], digest: str
) -> None:
    """Write the captions of a split, one row a pair; pairs whose clean image has no caption are left out.

    Arguments:
        file: The Parquet file.
        rows: Its pairs, in order.
        captions: Caption by digest of the clean image.
        birth: See `birth_of`.
        digest: Digest of the split.
    """
    unique = {row.clean_sha256 for row in rows}
    told: list[dict[str, Any]] = []
    for row in rows:
        if (caption := captions.get(row.clean_sha256)) is not None:
            pair = {"key": row.key, "degradation": row.degradation, "clean_sha256": row.clean_sha256}
            told.append({**pair, "caption": caption, "text": join_text(caption, row.words), **birth})
    facts = {
        "set": set_name(birth),
        "digest": digest,
        "rows": str(len(told)),
        "unique": str(len(unique)),
        "unreadable": str(len(unique - captions.keys())),
    }
    with atomic_path(file) as partial:
        pq.write_table(pa.Table.from_pylist(told, SCHEMA.with_metadata(facts)), partial, compression="zstd")


def current_set(folder: Path) -> str | None:
    """Return the name of the set in use, or None when there is none yet."""
    file = folder / "current.json"
    return read_json(file, "record of the current captions")["set"] if file.is_file() else None


def refuse_strangers(folder: Path, splits: Mapping[str, Split]) -> None:
    """Refuse to go on when the captions in use were made for another build of the dataset, or elsewhere.

    Raises:
        UserError: They were; the file is named.
    """
    for split, facts in splits.items():
        file = folder / f"{split}.parquet"
        if file.is_file() and facts_of(file).get("digest") != facts.digest:
            raise UserError(
                f"{file} was made for another build of the dataset: add --replace to put new captions in its place, or "
                "move it away"
            )


def use_set(folder: Path, name: str, birth: Mapping[str, str], splits: Iterable[str]) -> None:
    """Make a finished set the one in use.

    The record is written first: a run that is killed before the copies are made is followed by one that makes them.
    """
    record = {"set": name, **birth}
    if current_set(folder) != name:
        write_json(folder / "current.json", record)
    for split in splits:
        data = (folder / name / f"{split}.parquet").read_bytes()
        copy = folder / f"{split}.parquet"
        if not copy.is_file() or copy.read_bytes() != data:
            write_bytes(copy, data)
