"""Caption files as entries to be checked, one an image, whatever bytes are in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from captioning.quality.findings import Entry
from captioning.tables import read_table
from models.errors import UserError

COLUMNS = ("key", "caption", "degradation", "text", "clean_sha256")


def read_entries(files: Mapping[str, Path]) -> list[Entry]:
    """Read the caption files of a dataset.

    Arguments:
        files: `captions/<split>.parquet` by split.

    Returns:
        One entry for each image and caption, in the order of their first pairs.

    Raises:
        UserError: A file cannot be read, lacks a column, or was changed after bench caption wrote it.
    """
    texts: dict[tuple[str, str], dict[str, None]] = {}
    types: dict[tuple[str, str], dict[str, None]] = {}
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for split, file in files.items():
        for key, caption, degradation, text, digest in _rows(file):
            identity = (digest, caption)
            first.setdefault(identity, (split, key))
            texts.setdefault(identity, {})[text] = None
            types.setdefault(identity, {})[degradation] = None
    return [
        Entry(split, key, digest, caption, tuple(types[digest, caption]), tuple(texts[digest, caption]))
        for (digest, caption), (split, key) in first.items()
    ]


def _rows(file: Path):
    table = read_table(file)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise UserError(f"{file} lacks the columns {', '.join(missing)}: it is no caption file of bench caption")
    columns = [
        # Through bytes: a writer may have stored what is no UTF-8, and that is one of the things to be found.
        [(value or b"").decode("utf-8", "surrogateescape") for value in table[name].cast(pa.binary()).to_pylist()]
        for name in COLUMNS
    ]
    yield from zip(*columns, strict=True)
