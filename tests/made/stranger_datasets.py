"""Datasets as a stranger may send them: any rows, with a manifest that agrees with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.dataset.schema import RECORDS
from models.files import SEAL, read_json, sha256_file, sha256_json, write_json, write_sealed


def rewrite(data: Path, change: Callable[[list[dict[str, Any]]], None], *, shard: int = 0) -> None:
    """Change the rows of a shard, and let the manifest say what the shard holds then.

    Arguments:
        data: The dataset folder.
        change: Changes the rows in place.
        shard: Number of the shard in the manifest.
    """
    manifest = read_json(data / "manifest.json", "manifest")
    facts = manifest["shards"][shard]
    file = data / facts["file"]
    rows = pq.read_table(file).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, RECORDS), file, compression="none", use_dictionary=False)
    facts["sha256"] = sha256_file(file)
    facts.pop("columns", None)
    for split, told in manifest["splits"].items():
        files = [s["file"] for s in manifest["shards"] if s["file"].startswith(f"data/{split}-")]
        columns = ["key", "degraded_sha256", "clean_sha256", "degradation", "source"]
        light = [row for name in files for row in pq.read_table(data / name, columns=columns).to_pylist()]
        told["digest"] = sha256_json([[row[name] for name in columns[:3]] for row in light])
        words = list(dict.fromkeys(row["degradation"] for row in light))
        told["counts"] = {word: sum(row["degradation"] == word for row in light) for word in words}
        sources = dict.fromkeys(row["source"] for row in light)
        told["sources"] = {name: sum(row["source"] == name for row in light) for name in sources}
        told["by_source"] = {}
        for row in light:
            counts = told["by_source"].setdefault(row["source"], {})
            counts[row["degradation"]] = counts.get(row["degradation"], 0) + 1
    manifest["digest"] = sha256_json([[s["file"], s["sha256"]] for s in manifest["shards"]])
    sealed = manifest.pop(SEAL, None) is not None
    (write_sealed if sealed else write_json)(data / "manifest.json", manifest)
