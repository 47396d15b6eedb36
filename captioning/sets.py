"""Sets of captions: every captioner's own files, and which of them a dataset uses now.

    captions/<set>/<split>.parquet      what one captioner wrote, one row a pair, joined by key
    captions/current.json               which set is in use
    captions/<split>.parquet            a copy of that set's file, for every reader

A set is named after its captioner and a digest of captioner, revision and settings, so captioners never share a file.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from captioning.captioners.contract import Captioner
from captioning.plan import Row, Split
from captioning.tables import facts_of, read_captions, write_captions
from captioning.text import join_text
from models.errors import UserError
from models.files import below, read_sealed, sha256_json, write_bytes, write_sealed

Found = tuple[dict[str, str], list[dict[str, str]]]
"""What a caption file says about itself, and its rows; see `captioning.tables`."""

RECORD = {"set", "captioner", "revision", "settings"}
"""What a record of the set in use holds besides its seal."""


def birth_of(captioner: Captioner) -> dict[str, str]:
    """Return what a caption depends on besides the image; it stands in every row."""
    settings = json.dumps(captioner.settings)
    return {"captioner": captioner.name, "revision": captioner.revision, "settings": settings}


def set_name(birth: Mapping[str, str]) -> str:
    """Return the folder name of a set, e.g. `"blip-large-1f2e3d4c"`."""
    slug = re.sub(r"[^a-z0-9.]+", "-", birth["captioner"].lower()).strip("-.") or "captions"
    return f"{slug}-{sha256_json(dict(birth))[:8]}"


def sound(file: Path) -> Found | None:
    """Return what a caption file says about itself and its rows; None when it is absent or damaged, which is told."""
    if not file.is_file():
        return None
    try:
        return read_captions(file)
    except UserError:
        logging.getLogger(__name__).warning("%s is damaged: it is made anew", file)
        return None


def is_finished(found: Found | None, rows: Sequence[Row], *, name: str, digest: str) -> bool:
    """Return whether a file holds all captions of a set for these rows of a split, none left out, with their texts."""
    facts, told = found or ({}, [])
    if (facts.get("set"), facts.get("digest"), facts.get("unreadable")) != (name, digest, "0"):
        return False
    texts = [(row["key"], row["clean_sha256"], row["text"]) for row in told]
    return len(told) == len(rows) and texts == [
        (row.key, row.clean_sha256, join_text(had["caption"], row.words)) for row, had in zip(rows, told, strict=True)
    ]


def captions_in(files: Iterable[Found | None], *, name: str) -> dict[str, str]:
    """Return the captions of a set by digest of the clean image, whichever pairs they were written for."""
    ours = (rows for facts, rows in filter(None, files) if facts.get("set") == name)
    return {row["clean_sha256"]: row["caption"] for rows in ours for row in rows}


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
    write_captions(file, told, facts)


def current_set(folder: Path) -> str | None:
    """Return the name of the set in use, or None when there is none yet.

    Raises:
        UserError: The record of it is damaged.
    """
    file = folder / "current.json"
    if not file.is_file():
        return None
    what, remedy = "record of the captions in use", "delete it and run bench caption again"
    record = read_sealed(file, what, required=False, remedy=remedy)
    name = record.get("set")
    if not record.keys() <= RECORD or not isinstance(name, str) or "/" in name:
        raise UserError(f"{what} {file} is not as bench caption writes it: {remedy}")
    below(folder, name, what="name of a set of captions")
    return name


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
        write_sealed(folder / "current.json", record)
    for split in splits:
        data = (folder / name / f"{split}.parquet").read_bytes()
        copy = folder / f"{split}.parquet"
        if copy.is_file() and copy.read_bytes() == data:
            continue
        sound(copy)  # tells when it was damaged
        write_bytes(copy, data)
