"""Auditing a dataset folder: is every byte what the manifest says, does every image decode, do the pairs fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.dataset import Dataset
from benchmark.degradations.specs import apply
from benchmark.schema import RECORDS
from models.files import sha256_bytes, sha256_file, sha256_json
from models.images import BadImage, decode


@dataclass
class Audit:
    """What was checked and what does not hold.

    Arguments:
        checked: Number of things looked at, by kind.
        problems: One entry a finding: `where` (file or key) and `what` is wrong.
    """

    checked: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, str]] = field(default_factory=list)

    def note(self, where: str, what: str) -> None:
        """Record a finding."""
        self.problems.append({"where": where, "what": what})

    def to_json(self, dataset: Dataset) -> dict[str, Any]:
        """Return the audit as a JSON value."""
        return {
            "schema": 1,
            "dataset": {"name": dataset.name, "digest": dataset.digest},
            "checked": dict(self.checked),
            "problems": self.problems,
        }


def verify(dataset: Dataset, *, progress: Callable[[int], None] = lambda done: None) -> Audit:
    """Re-hash all shards and images, decode everything, and make every synthetic image again from its spec.

    Arguments:
        dataset: The dataset folder.
        progress: Called with the number of pairs checked.

    Returns:
        The audit; it is clean when `problems` is empty.
    """
    audit = Audit()
    keys: Counter[str] = Counter()
    done = 0
    for split, facts in dataset.manifest["splits"].items():
        lines = []
        for shard in dataset.shards(split):
            name = f"data/{shard.name}"
            declared = next(s for s in dataset.manifest["shards"] if s["file"] == name)
            audit.checked["shards"] += 1
            if sha256_file(shard) != declared["sha256"]:
                audit.note(name, "its bytes are not those of the manifest")
            try:
                if not pq.read_schema(shard).equals(RECORDS):
                    audit.note(name, "its columns are not those of this schema")
                    continue
                for batch in pq.ParquetFile(shard).iter_batches(batch_size=16):
                    for row in batch.to_pylist():
                        _check_row(row, split, audit)
                        keys[row["key"]] += 1
                        lines.append([row["key"], row["degraded_sha256"], row["clean_sha256"]])
                        done += 1
                        progress(done)
            except (pa.ArrowException, OSError) as error:
                audit.note(name, f"cannot be read as Parquet ({str(error).splitlines()[0]})")
        if len(lines) != facts["rows"]:
            audit.note(split, f"{len(lines)} rows were read, the manifest says {facts['rows']}")
        if sha256_json(lines) != facts["digest"]:
            audit.note(split, "its rows are not those of the manifest (digest differs)")
    for key, times in keys.items():
        if times > 1:
            audit.note(key, f"the key occurs {times} times")
    return audit


def _check_row(row: dict[str, Any], split: str, audit: Audit) -> None:
    audit.checked["pairs"] += 1
    pixels: dict[str, np.ndarray] = {}
    if row["split"] != split:
        audit.note(row["key"], f"its row says split {row['split']!r} but it lies in {split}")
    for role in ("degraded", "clean"):
        data = row[role]["bytes"]
        audit.checked["images"] += 1
        if sha256_bytes(data) != row[f"{role}_sha256"]:
            audit.note(row["key"], f"the bytes of its {role} image do not match their sha256")
        try:
            pixels[role] = decode(data)
        except BadImage as error:
            audit.note(row["key"], f"its {role} image: {error}")
            continue
        height, width = pixels[role].shape[:2]
        if (width, height) != (row["width"], row["height"]):
            audit.note(row["key"], f"its {role} image is {width}x{height}, not {row['width']}x{row['height']}")
    if len(pixels) < 2 or pixels["degraded"].shape != pixels["clean"].shape:
        return
    if np.array_equal(pixels["degraded"], pixels["clean"]):
        audit.note(row["key"], "degraded and clean are the same picture")
    if row["spec"] is not None:
        audit.checked["specs"] += 1
        again = apply(row["spec"], pixels["clean"], seed=row["seed"], key=row["key"])
        if not np.array_equal(again, pixels["degraded"]):
            audit.note(row["key"], f"{row['spec']} with its seed gives another image than the stored one")
