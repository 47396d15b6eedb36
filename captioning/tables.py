"""Caption files: Parquet tables that hold the digest of their own rows, so that damage is seen when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from captioning.text import split_text
from models.errors import UserError
from models.files import SEAL, atomic_path, sha256_json

SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("key", "caption", "degradation", "text", "captioner", "revision", "settings", "clean_sha256")
    ]
)

FACTS = ("set", "digest", "rows", "unique", "unreadable")
"""What a file says about itself: set, digest of the split, rows, unique images, images without a caption."""

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
"""What reading a damaged Parquet file raises."""

AGAIN = "delete it and run bench caption again"


def write_captions(file: Path, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, str]) -> None:
    """Write a caption file with its seal: the SHA-256 of all rows and of what it says about itself.

    Arguments:
        file: The Parquet file.
        rows: Rows of `SCHEMA`.
        facts: See `FACTS`.
    """
    table = pa.Table.from_pylist([dict(row) for row in rows], SCHEMA)
    table = table.replace_schema_metadata({**facts, SEAL: _seal(table, facts)})
    with atomic_path(file) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_table(file: Path) -> pa.Table:
    """Return a caption file as it is, after comparing it with its seal.

    Files of before there were seals have none, nor have those of other programs.

    Raises:
        UserError: It cannot be read, or was changed after it was written.
    """
    try:
        table = pq.read_table(file)
        facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        seal = facts.pop(SEAL, None)
        found = _seal(table, facts) if seal is not None else None
    except UNREADABLE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{file} cannot be read ({reason}): {AGAIN}") from None
    strange = facts.keys() & set(FACTS) and facts.keys() != set(FACTS)
    if seal != found or strange:
        raise UserError(f"{file} was changed after it was written (its rows differ from their digest): {AGAIN}")
    return table


def read_captions(file: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return what a caption file says about itself (nothing, when another program wrote it), and its rows.

    Raises:
        UserError: It cannot be read, was changed after it was written, lacks a column, holds an empty field, or has a
            text that is not made from its caption.
    """
    table = read_table(file)
    columns: dict[str, list[Any]] = {}
    for name in SCHEMA.names:
        try:
            columns[name] = table[name].cast(pa.string()).to_pylist()
        except KeyError:
            raise UserError(f"{file} lacks the column {name}: it is no caption file of bench caption") from None
        except UNREADABLE:
            raise UserError(f"{file}: its column {name} holds something else than UTF-8 text: {AGAIN}") from None
        if None in columns[name]:
            raise UserError(f"{file}: its column {name} has an empty field: {AGAIN}")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for row in rows:
        if split_text(row["text"])[0] != row["caption"]:
            raise UserError(f"{file}: the text of {row['key']} is not made from its caption: {AGAIN}")
    return facts_in(table.schema), rows


def facts_of(file: Path) -> dict[str, str]:
    """Return what a caption file says about itself, without reading its rows; see `FACTS`.

    Returns an empty dictionary when there is no such file, or when another program wrote it.

    Raises:
        UserError: It is no Parquet file.
    """
    if not file.is_file():
        return {}
    try:
        return facts_in(pq.read_schema(file))
    except UNREADABLE as error:
        raise UserError(f"{file} cannot be read ({error}): {AGAIN}") from None


def facts_in(schema: pa.Schema) -> dict[str, str]:
    """Return what a caption file says about itself, by its schema."""
    facts = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    return {name: facts[name] for name in FACTS} if set(FACTS) <= facts.keys() else {}


def _seal(table: pa.Table, facts: Mapping[str, str]) -> str:
    """Return the digest of facts and rows; what is no UTF-8, as only strangers write it, is digested too."""
    values = {
        name: [None if value is None else value.decode("utf-8", "surrogateescape") for value in column.to_pylist()]
        for name, column in ((name, table[name].cast(pa.binary())) for name in SCHEMA.names)
    }
    return sha256_json({"facts": dict(facts), "rows": values})
