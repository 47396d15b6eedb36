"""A plan to a dataset folder: Parquet shards, captions that came along, a card, and the manifest written last."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import engine as engines
from benchmark.engine import Engine
from benchmark.manifest import write_manifest
from benchmark.plan import ShardJob, plan_digest, plan_shards
from benchmark.record import make_record
from benchmark.shard import ShardWriter
from benchmark.sources.samples import Rejected, Sample, SourceUnreachable
from models.errors import UserError
from models.files import atomic_path, read_json, sha256_file, single_writer, write_bytes, write_json


@dataclass(frozen=True)
class Place:
    """Where the work is done.

    Arguments:
        workers: Local worker processes, 0 for none.
        engine: `"local"` or `"ray"`.
        address: The Ray cluster to join, if any.
    """

    workers: int = 0
    engine: Engine = "local"
    address: str | None = None


def build_shard(job: ShardJob) -> dict[str, Any]:
    """Write one shard and return its report: rows, digest, the light columns and what had to be left out."""
    light: list[dict[str, Any]] = []
    quarantine: list[dict[str, str]] = []
    with atomic_path(job.file) as partial, ShardWriter(partial) as writer:
        for sample in job.samples:
            try:
                record = make_record(sample)
            except SourceUnreachable:
                raise
            except UserError as error:
                quarantine.append({"key": sample.key, "reason": str(error)})
            else:
                writer.add(record)
                facts = ("degraded_sha256", "clean_sha256", "key", "degradation", "source")
                light.append({**{name: record[name] for name in facts}, "caption": sample.caption})
            engines.advance()
    return {
        "file": job.file.name,
        "rows": len(light),
        "sha256": sha256_file(job.file),
        "light": light,
        "quarantine": quarantine,
    }


def build_shard_elsewhere(job: ShardJob) -> tuple[dict[str, Any], bytes]:
    """Make a shard on a machine that need not see the dataset folder: the report, and the bytes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / job.file.name
        return build_shard(replace(job, file=file)), file.read_bytes()


def build_dataset(
    samples: Sequence[Sample],
    out: Path,
    *,
    recipe: dict[str, Any],
    rejected: Sequence[Rejected] = (),
    place: Place | None = None,
    strict: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Build a dataset folder, continuing where an interrupted build of the same samples stopped.

    Shards are written to temporary names and renamed; the manifest comes last, so a folder with a manifest is whole. A
    rerun rebuilds only what is missing and ends with the same bytes as an uninterrupted run, wherever it is done.

    Arguments:
        samples: All pairs, in the order in which they are to be stored.
        out: The dataset folder.
        recipe: What was asked for (preset, sources), stored in the manifest.
        rejected: What the sources had to leave out; it joins the quarantine list.
        place: Where the work is done; None for this process alone.
        strict: Whether a single image that has to be left out refuses the dataset.
        progress: Called with the number of pairs done.

    Returns:
        The manifest.

    Raises:
        UserError: Another build is writing to `out`, it holds a different dataset, no pair is usable, a source
            vanished, or something is left out and `strict` is set.
    """
    place = place or Place()
    data, work = out / "data", out / ".build"
    jobs = plan_shards(samples, data)
    digest = plan_digest(samples, rejected)
    _refuse(strict, [{"key": r.key, "reason": r.reason} for r in rejected])
    with single_writer(out):
        finished = out / "manifest.json"
        if finished.is_file():
            manifest = read_json(finished, "dataset manifest")
            if manifest.get("plan") != digest:
                raise UserError(f"{out} already holds a different dataset: choose another folder or delete it")
            _refuse(strict, manifest["quarantine"])
            _sweep(out)
            progress(len(samples))
            return manifest
        _begin(work, data, digest)
        reports = {job.file.name: _finished_report(job, work) for job in jobs}
        missing = [job for job in jobs if reports[job.file.name] is None]
        already = len(samples) - sum(len(job.samples) for job in missing)
        progress(already)
        for report in _run(missing, place, progress=lambda done: progress(already + done)):
            write_json(work / f"{report['file']}.json", report)
            reports[report["file"]] = report
        ordered = [report for report in (reports[job.file.name] for job in jobs) if report is not None]
        if not any(report["rows"] for report in ordered):
            first = ordered[0]["quarantine"][0]
            raise UserError(f"none of the {len(samples)} pairs is usable; the first: {first['reason']}")
        _refuse(strict, [entry for report in ordered for entry in report["quarantine"]])
        manifest = write_manifest(out, ordered, recipe=recipe, plan=digest, rejected=rejected)
        _sweep(out)
        return manifest


def _begin(work: Path, data: Path, digest: str) -> None:
    """Make the working folder, drop what an earlier build of other samples left, and what a killed one did."""
    plan = work / "plan.json"
    if work.is_dir() and not (plan.is_file() and read_json(plan, "plan", str) == digest):
        shutil.rmtree(work)
        shutil.rmtree(data, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    data.mkdir(exist_ok=True)
    write_json(plan, digest)


def _sweep(out: Path) -> None:
    """Remove what killed builds have left in a folder that is whole now."""
    shutil.rmtree(out / ".build", ignore_errors=True)
    for leftover in out.rglob(".*.partial"):
        leftover.unlink()


def _run(jobs: list[ShardJob], place: Place, *, progress: Callable[[int], None]):
    if place.engine == "local":
        yield from engines.run_jobs(build_shard, jobs, workers=place.workers, address=place.address, progress=progress)
        return
    files = {job.file.name: job.file for job in jobs}
    done = engines.run_jobs(
        build_shard_elsewhere,
        jobs,
        workers=place.workers,
        engine=place.engine,
        address=place.address,
        weight=lambda job: len(job.samples),
        progress=progress,
    )
    for report, data in done:
        write_bytes(files[report["file"]], data)
        yield report


def _refuse(strict: bool, left_out: list[dict[str, str]]) -> None:
    if strict and left_out:
        told = "; ".join(f"{entry['key']}: {entry['reason']}" for entry in left_out[:3])
        raise UserError(
            f"--strict refuses the dataset, {len(left_out)} pairs or files have to be left out ({told}"
            f"{', ...' if len(left_out) > 3 else ''}): mend the sources, or build without --strict"
        )


def _finished_report(job: ShardJob, work: Path) -> dict[str, Any] | None:
    """Return the report of a shard that an earlier run finished and that is still what it was."""
    path = work / f"{job.file.name}.json"
    if not path.is_file() or not job.file.is_file():
        return None
    report = read_json(path, "shard report")
    return report if sha256_file(job.file) == report["sha256"] else None
