"""The columns of a dataset's Parquet files, with the metadata that the Hugging Face stack reads."""

from __future__ import annotations

import json

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
