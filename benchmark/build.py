"""Samples to a dataset folder: Parquet shards, captions that came along, a card, and the manifest written last."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark import __version__, engine
from benchmark.card import write_card
from benchmark.record import make_record
from benchmark.schema import RECORDS, SCHEMA_VERSION, SIDECAR
from benchmark.sources.samples import Sample
from models.errors import UserError
from models.files import atomic_path, read_json, sha256_bytes, sha256_file, sha256_json, single_writer, write_json
from models.vocabulary import DEGRADATIONS, SPLITS

ROWS_PER_SHARD = 240
ROWS_PER_GROUP = 16  # bounds the memory of a writer: two images a row, at most a few MB each


@dataclass(frozen=True)
class ShardJob:
    """One Parquet file to write."""

    file: Path
    samples: tuple[Sample, ...]


def plan_shards(samples: Sequence[Sample], data: Path) -> list[ShardJob]:
    """Cut the samples into shards, in their order, split by split.

    Arguments:
        samples: All pairs of the dataset.
        data: Folder of the shards.

    Raises:
        UserError: There is no sample, or two share a key.
    """
    if not samples:
        raise UserError("no pairs were found: give at least one source with images")
    seen: set[str] = set()
    for sample in samples:
        if sample.key in seen:
            raise UserError(f"two pairs share the key {sample.key!r}: give each source once, and unique file names")
        seen.add(sample.key)
    jobs = []
    for split in SPLITS:
        rows = [s for s in samples if s.split == split]
        total = -(-len(rows) // ROWS_PER_SHARD)
        for index in range(total):
            name = f"{split}-{index:05d}-of-{total:05d}.parquet"
            jobs.append(ShardJob(data / name, tuple(rows[index * ROWS_PER_SHARD : (index + 1) * ROWS_PER_SHARD])))
    return jobs


def plan_digest(samples: Sequence[Sample]) -> str:
    """Return a digest of what determines the dataset's bytes; image files count by name and size."""
    lines = [f"{SCHEMA_VERSION} {ROWS_PER_SHARD} {ROWS_PER_GROUP} {__version__} {pa.__version__}"]
    for s in samples:
        images = (s.clean.fingerprint, s.degraded.fingerprint if s.degraded else "")
        lines.append("\t".join((s.key, s.source, *images, s.spec or "", str(s.seed), s.caption or "")))
    return sha256_bytes("\n".join(lines).encode())


def build_shard(job: ShardJob) -> dict[str, Any]:
    """Write one shard and return its report: rows, digest, the light columns and what had to be left out."""
    rows: list[dict[str, Any]] = []
    light: list[dict[str, Any]] = []
    quarantine: list[dict[str, str]] = []
    compression: Any = _compression()  # pyarrow takes one codec a column; its annotations know of one for all
    with atomic_path(job.file) as partial, pq.ParquetWriter(partial, RECORDS, compression=compression) as writer:
        for sample in job.samples:
            try:
                record = make_record(sample)
            except UserError as error:
                quarantine.append({"key": sample.key, "reason": str(error)})
                engine.advance()
                continue
            rows.append(record)
            light.append(
                {
                    "key": sample.key,
                    "degradation": sample.degradation,
                    "source": sample.source,
                    "clean_sha256": record["clean_sha256"],
                    "degraded_sha256": record["degraded_sha256"],
                    "caption": sample.caption,
                }
            )
            if len(rows) == ROWS_PER_GROUP:
                writer.write_table(pa.Table.from_pylist(rows, RECORDS))
                rows = []
            engine.advance()
        if rows or not light:
            writer.write_table(pa.Table.from_pylist(rows, RECORDS))
    return {
        "file": job.file.name,
        "rows": len(light),
        "sha256": sha256_file(job.file),
        "light": light,
        "quarantine": quarantine,
    }


def _compression() -> dict[str, str]:
    images = {f"{column}.bytes": "none" for column in ("degraded", "clean")}  # PNG and JPEG are compressed already
    paths = {f"{column}.path": "zstd" for column in ("degraded", "clean")}
    return {name: "zstd" for name in RECORDS.names if name not in ("degraded", "clean")} | images | paths


def build_dataset(
    samples: Sequence[Sample],
    out: Path,
    *,
    recipe: dict[str, Any],
    workers: int,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Build a dataset folder, continuing where an interrupted build of the same samples stopped.

    Shards are written to temporary names and renamed; the manifest comes last, so a folder with a manifest is whole. A
    rerun rebuilds only what is missing and ends with the same bytes as an uninterrupted run.

    Arguments:
        samples: All pairs, in the order in which they are to be stored.
        out: The dataset folder.
        recipe: What was asked for (preset, sources), stored in the manifest.
        workers: Number of worker processes, 0 for none.
        progress: Called with the number of pairs done.

    Returns:
        The manifest.

    Raises:
        UserError: Another build is writing to `out`, it holds a different dataset, or no pair is usable.
    """
    data, work = out / "data", out / ".build"
    jobs = plan_shards(samples, data)
    digest = plan_digest(samples)
    with single_writer(out):
        finished = out / "manifest.json"
        if finished.is_file():
            manifest = read_json(finished, "dataset manifest")
            if manifest.get("plan") == digest:
                progress(len(samples))
                return manifest
            raise UserError(f"{out} already holds a different dataset: choose another folder or delete it")
        if work.is_dir() and (work / "plan.json").is_file() and read_json(work / "plan.json", "plan") != digest:
            shutil.rmtree(work)
        work.mkdir(parents=True, exist_ok=True)
        data.mkdir(exist_ok=True)
        write_json(work / "plan.json", digest)
        for leftover in data.glob(".*.partial"):
            leftover.unlink()
        reports = {job.file.name: _finished_report(job, work) for job in jobs}
        missing = [job for job in jobs if reports[job.file.name] is None]
        already = len(samples) - sum(len(job.samples) for job in missing)
        progress(already)
        for report in engine.run_jobs(
            build_shard, missing, workers=workers, progress=lambda done: progress(already + done)
        ):
            write_json(work / f"{report['file']}.json", report)
            reports[report["file"]] = report
        ordered = [report for report in (reports[job.file.name] for job in jobs) if report is not None]
        if not any(report["rows"] for report in ordered):
            first = ordered[0]["quarantine"][0]
            raise UserError(f"none of the {len(samples)} pairs is usable; the first: {first['reason']}")
        manifest = _finish(out, ordered, recipe=recipe, plan=digest)
        shutil.rmtree(work)
        return manifest


def _finished_report(job: ShardJob, work: Path) -> dict[str, Any] | None:
    """Return the report of a shard that an earlier run finished and that is still what it was."""
    path = work / f"{job.file.name}.json"
    if not path.is_file() or not job.file.is_file():
        return None
    report = read_json(path, "shard report")
    return report if sha256_file(job.file) == report["sha256"] else None


def _finish(out: Path, reports: list[dict[str, Any]], *, recipe: dict[str, Any], plan: str) -> dict[str, Any]:
    splits: dict[str, Any] = {}
    sidecar: dict[str, Any] = {}
    for split in SPLITS:
        light = [row for r in reports if r["file"].startswith(f"{split}-") for row in r["light"]]
        if not light:
            continue
        counts = {word: sum(row["degradation"] == word for row in light) for word in DEGRADATIONS}
        splits[split] = {
            "rows": len(light),
            "counts": {word: n for word, n in counts.items() if n},
            "sources": {name: sum(row["source"] == name for row in light) for name in _unique(light, "source")},
            "digest": sha256_json([[r["key"], r["degraded_sha256"], r["clean_sha256"]] for r in light]),
        }
        told = [{k: row[k] for k in SIDECAR.names} for row in light if row["caption"] is not None]
        if told:
            file = out / "sidecar" / f"{split}.parquet"
            with atomic_path(file) as partial:
                pq.write_table(pa.Table.from_pylist(told, SIDECAR), partial, compression="zstd")
            sidecar[split] = {"file": f"sidecar/{split}.parquet", "rows": len(told), "sha256": sha256_file(file)}
    shards = [{"file": f"data/{r['file']}", "rows": r["rows"], "sha256": r["sha256"]} for r in reports]
    manifest = {
        "schema": SCHEMA_VERSION,
        "tool": __version__,
        "plan": plan,
        "recipe": recipe,
        "splits": splits,
        "shards": shards,
        "sidecar": sidecar,
        "quarantine": [entry for r in reports for entry in r["quarantine"]],
        "digest": sha256_json([[s["file"], s["sha256"]] for s in shards]),
    }
    write_card(out, manifest)
    write_json(out / "manifest.json", manifest)
    return manifest


def _unique(rows: list[dict[str, Any]], column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))
