"""The YAML header of a dataset card: what the hub shows and `datasets.load_dataset` reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.dataset.schema import RECORDS
from benchmark.publish.card.captions import CaptionSet
from benchmark.publish.card.terms import OTHER, strictest
from benchmark.publish.hub.files import TERMS
from models.errors import UserError
from models.files import parse_json

PRETTY_NAME = "Mixed degradations for universal image restoration"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def header(manifest: dict[str, Any], folder: Path, captions: Iterable[CaptionSet]) -> dict[str, Any]:
    """Return the header of a card.

    Arguments:
        manifest: The dataset's manifest.
        folder: The dataset folder, for the sizes of its files.
        captions: Its captions.
    """
    captions = list(captions)
    splits = manifest["splits"]
    total = sum(split["rows"] for split in splits.values())
    words = list(dict.fromkeys(word for split in splits.values() for word in split["counts"]))
    licence = strictest(manifest)
    terms = {"license_name": "terms-per-source", "license_link": TERMS} if licence == OTHER else {}
    files = {
        split: [folder / s["file"] for s in manifest["shards"] if s["file"].startswith(f"data/{split}-")]
        for split in splits
    }
    return {
        "pretty_name": PRETTY_NAME,
        "license": licence,
        **terms,
        "task_categories": ["image-to-image", *(["image-to-text"] if captions else [])],
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "1M<n<10M")],
        "tags": ["image-restoration", "degradation", "daclip", *words],
        "configs": [
            {
                "config_name": "default",
                "default": True,
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits],
            },
            *(
                {
                    "config_name": made.config,
                    "data_files": [{"split": split, "path": path} for split, path in made.files.items()],
                }
                for made in captions
            ),
        ],
        "dataset_info": [
            {"config_name": "default", "features": features(RECORDS), **_sizes(files)},
            *(
                {
                    "config_name": made.config,
                    "features": features(made.schema),
                    **_sizes({split: [folder / path] for split, path in made.files.items()}),
                }
                for made in captions
            ),
        ],
    }


def features(schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the columns of a Parquet schema as a card's header tells them.

    Arguments:
        schema: Columns of strings and integers, or a schema with the metadata of the Hugging Face stack.
    """
    metadata = schema.metadata or {}
    if b"huggingface" in metadata:
        try:
            told = parse_json(metadata[b"huggingface"], "the description of columns")["info"]["features"]
            return [_feature(name, told[name]) for name in schema.names]
        except (KeyError, TypeError, IndexError):
            raise UserError(
                "the description of columns in a Parquet file is not what the Hugging Face stack reads"
            ) from None
    names = {
        pa.string(): "string",
        pa.int32(): "int32",
        pa.int64(): "int64",
        pa.float64(): "float64",
        pa.bool_(): "bool",
    }
    return [
        {"name": field.name, "sequence": names[field.type.value_type]}
        if isinstance(field.type, pa.ListType)
        else {"name": field.name, "dtype": names[field.type]}
        for field in schema
    ]


def _feature(name: str, told: dict[str, Any]) -> dict[str, Any]:
    if told["_type"] in ("Sequence", "List"):
        return {"name": name, "sequence": told["feature"]["dtype"]}
    return {"name": name, "dtype": "image" if told["_type"] == "Image" else told["dtype"]}


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} cannot be read ({reason}): run bench verify on the dataset") from None


def _sizes(files: dict[str, list[Path]]) -> dict[str, Any]:
    """Return rows and bytes of each split; bytes as the footers tell them, before compression."""
    splits = []
    for split, paths in files.items():
        footers = [_footer(path) for path in paths]
        groups = [footer.row_group(index) for footer in footers for index in range(footer.num_row_groups)]
        size = sum(group.total_byte_size for group in groups)
        splits.append({"name": split, "num_bytes": size, "num_examples": sum(footer.num_rows for footer in footers)})
    return {
        "splits": splits,
        "download_size": sum(path.stat().st_size for paths in files.values() for path in paths),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }
