"""The manifest of a dataset: counts, digests, what was left out; the last file that a build writes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark import __version__
from benchmark.dataset.schema import SCHEMA_VERSION, SIDECAR
from benchmark.publish.card.write import write_card
from benchmark.results.provenance import names_only
from benchmark.sources.samples import Rejected
from models.files import sha256_bytes, sha256_json, write_bytes, write_sealed
from models.vocabulary import SPLITS, in_order


def write_manifest(
    out: Path, reports: list[dict[str, Any]], *, recipe: dict[str, Any], plan: str, rejected: Sequence[Rejected]
) -> dict[str, Any]:
    """Write the captions that came along, the card, and at last the manifest.

    Arguments:
        out: The dataset folder.
        reports: The report of each shard, in order.
        recipe: What was asked for.
        plan: Digest of the plan.
        rejected: What the sources had to leave out.

    Returns:
        The manifest.
    """
    splits: dict[str, Any] = {}
    sidecar: dict[str, Any] = {}
    for split in SPLITS:
        light = [row for r in reports if r["file"].startswith(f"{split}-") for row in r["light"]]
        if not light:
            continue
        splits[split] = {
            "rows": len(light),
            "counts": _count(light, "degradation", in_order(row["degradation"] for row in light)),
            "sources": _count(light, "source", list(dict.fromkeys(row["source"] for row in light))),
            "by_source": _by_source(light),
            "unique_clean": len({row["clean_sha256"] for row in light}),
            "digest": sha256_json([[r["key"], r["degraded_sha256"], r["clean_sha256"]] for r in light]),
        }
        told = write_sidecar(out, split, light)
        if told is not None:
            sidecar[split] = told
    facts = ("rows", "sha256", "columns")
    shards = [{"file": f"data/{r['file']}", **{name: r[name] for name in facts}} for r in reports]
    manifest = {
        "schema": SCHEMA_VERSION,
        "tool": __version__,
        "plan": plan,
        "recipe": recipe,
        "splits": splits,
        "shards": shards,
        "sidecar": sidecar,
        "quarantine": [
            # A reason names the file: where the sources lie on this machine is nobody's business.
            {"key": entry["key"], "reason": names_only(entry["reason"])}
            for entry in [
                *({"key": r.key, "reason": r.reason} for r in rejected),
                *(entry for r in reports for entry in r["quarantine"]),
            ]
        ],
        "digest": sha256_json([[s["file"], s["sha256"]] for s in shards]),
    }
    write_card(out, manifest)
    write_sealed(out / "manifest.json", manifest)
    return manifest


def write_sidecar(
    out: Path, split: str, rows: Sequence[dict[str, Any]], *, expected: str | None = None
) -> dict[str, Any] | None:
    """Write the captions that came along with a split.

    Arguments:
        out: The dataset folder.
        split: The split.
        rows: Key, digest of the clean image and caption, if any, of all its pairs.
        expected: The digest that the file must have; another one is not written.

    Returns:
        What the manifest holds of it; None when nothing was written.
    """
    told = [{name: row[name] for name in SIDECAR.names} for row in rows if row["caption"] is not None]
    if not told:
        return None
    file = out / "sidecar" / f"{split}.parquet"
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(told, SIDECAR), buffer, compression="zstd")
    sha256 = sha256_bytes(buffer.getvalue())
    if expected not in (None, sha256):
        return None
    write_bytes(file, buffer.getvalue())
    return {"file": f"sidecar/{split}.parquet", "rows": len(told), "sha256": sha256}


def _count(rows: list[dict[str, Any]], column: str, values: list[str]) -> dict[str, int]:
    return {value: sum(row[column] == value for row in rows) for value in values}


def _by_source(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Return the pairs of each type that each source brought."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = found.setdefault(row["source"], {})
        counts[row["degradation"]] = counts.get(row["degradation"], 0) + 1
    return found
