"""The columns of a dataset's Parquet files, with the metadata that the Hugging Face stack reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 2

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

_FEATURES = {
    "key": {"dtype": "string", "_type": "Value"},
    "degradation": {"dtype": "string", "_type": "Value"},
    "degradations": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"},
    "source": {"dtype": "string", "_type": "Value"},
    "split": {"dtype": "string", "_type": "Value"},
    "degraded": {"_type": "Image"},
    "clean": {"_type": "Image"},
    "width": {"dtype": "int32", "_type": "Value"},
    "height": {"dtype": "int32", "_type": "Value"},
    "spec": {"dtype": "string", "_type": "Value"},
    "seed": {"dtype": "int64", "_type": "Value"},
    "clean_sha256": {"dtype": "string", "_type": "Value"},
    "degraded_sha256": {"dtype": "string", "_type": "Value"},
}

RECORDS = pa.schema(
    [
        ("key", pa.string()),
        ("degradation", pa.string()),
        ("degradations", pa.list_(pa.string())),
        ("source", pa.string()),
        ("split", pa.string()),
        ("degraded", _IMAGE),
        ("clean", _IMAGE),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("spec", pa.string()),
        ("seed", pa.int64()),
        ("clean_sha256", pa.string()),
        ("degraded_sha256", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
"""One row a pair. `spec` and `seed` are null when the source distributes the degraded image itself.

`degradation` is the type (one word), `degradations` the list of words for DA-CLIP's text: the type itself, or what a
mixed or wild pipeline did.
"""

SIDECAR = pa.schema([("key", pa.string()), ("clean_sha256", pa.string()), ("caption", pa.string())])
"""Captions that came with the sources; input of the `sidecar` captioner."""

LIGHT_COLUMNS = [name for name in RECORDS.names if name not in ("degraded", "clean")]
"""Everything but the pixels."""

TOLD_COLUMNS = [*LIGHT_COLUMNS, "degraded.path", "clean.path"]
"""Everything but the bytes of the images."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAX_NAME = 255  # bytes of one part of a path, the limit of every file system in use


def plain_name(name: Any, *, parts: bool = True) -> bool:
    """Whether a text of a dataset can stand for a place below a folder, as `models.files.below` asks for it.

    Arguments:
        name: The text.
        parts: Whether it may have several parts joined by "/".
    """
    if not isinstance(name, str) or _CONTROL.search(name) or (not parts and "/" in name):
        return False
    try:
        return all(part[:1] not in ("", ".") and len(part.encode()) <= _MAX_NAME for part in name.split("/"))
    except UnicodeEncodeError:
        return False


def wrong_with(row: Mapping[str, Any]) -> str | None:
    """Return what makes a row unusable, or None.

    Arguments:
        row: Its `LIGHT_COLUMNS`, and with `degraded` and `clean` the paths of the images where they were read.
    """
    for name in ("key", "degradation", "source"):
        if not plain_name(row[name], parts=name == "key"):
            return f"its {name} {row[name]!a:.300} cannot be a name in a path"
    for name in ("clean_sha256", "degraded_sha256"):
        if row[name] is None or not _SHA256.fullmatch(row[name]):
            return f"its {name} is no SHA-256"
    if not (row["width"] and row["height"] and row["width"] > 0 and row["height"] > 0):
        return f"it has a size of {row['width']}x{row['height']}"
    if row["degradations"] is None or any(word is None for word in row["degradations"]):
        return "its list of degradations has empty fields"
    for role in ("degraded", "clean"):
        path = (row.get(role) or {}).get("path")
        if path is not None and not plain_name(path):
            return f"the path of its {role} image {path!a:.300} leads elsewhere"
    return None
