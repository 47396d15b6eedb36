"""A plan to a dataset folder: Parquet shards, captions that came along, a card, and the manifest written last."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import engine as engines
from benchmark.building.manifest import write_manifest
from benchmark.building.mend import mend
from benchmark.building.plan import ShardJob, plan_digest, plan_shards
from benchmark.building.record import make_record
from benchmark.building.shard import ShardWriter
from benchmark.building.unfinished import Unfinished
from benchmark.dataset.manifest import read_manifest
from benchmark.dataset.shards import ROLES, columns_digest
from benchmark.engine import Engine
from benchmark.engine.scratch import scratch_folder
from benchmark.sources.samples import Rejected, Sample, SourceUnreachable
from models.errors import UserError
from models.files import atomic_path, sha256_file, single_writer, write_bytes


@dataclass(frozen=True)
class BuildOptions:
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
    told: list[dict[str, Any]] = []
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
                told.append({**record, **{role: {"path": record[role]["path"]} for role in ROLES}})
            engines.advance()
    return {
        "file": job.file.name,
        "rows": len(light),
        "sha256": sha256_file(job.file),
        "columns": columns_digest(told),
        "light": light,
        "quarantine": quarantine,
    }


def build_shard_elsewhere(job: ShardJob) -> tuple[dict[str, Any], bytes]:
    """Make a shard on a machine that need not see the dataset folder: the report, and the bytes of the file."""
    with scratch_folder() as folder:
        file = folder / job.file.name
        return build_shard(replace(job, file=file)), file.read_bytes()


def build_dataset(
    samples: Sequence[Sample],
    out: Path,
    *,
    recipe: dict[str, Any],
    rejected: Sequence[Rejected] = (),
    place: BuildOptions | None = None,
    strict: bool = False,
    progress: Callable[[int], None] = lambda done: None,
    mended: Callable[[str], None] = lambda file: None,
) -> dict[str, Any]:
    """Build a dataset folder, continuing where an interrupted build of the same samples stopped.

    Shards are written to temporary names and renamed; the manifest comes last, so a folder with a manifest is whole. A
    rerun rebuilds only what is missing and ends with the same bytes as an uninterrupted run, wherever it is done. Over
    a whole folder it looks at every file, and makes again what is missing or damaged.

    Arguments:
        samples: All pairs, in the order in which they are to be stored.
        out: The dataset folder.
        recipe: What was asked for (preset, sources), stored in the manifest.
        rejected: What the sources had to leave out; it joins the quarantine list.
        place: Where the work is done; None for this process alone.
        strict: Whether a single image that has to be left out refuses the dataset.
        progress: Called with the number of pairs done.
        mended: Called with each file of a whole folder that had to be made again.

    Returns:
        The manifest.

    Raises:
        UserError: Another build is writing to `out`, it holds a different dataset, no pair is usable, a source
            vanished or changed, or something is left out and `strict` is set.
    """
    place = place or BuildOptions()
    jobs = plan_shards(samples, out / "data")
    digest = plan_digest(samples, rejected)
    _refuse(strict, [{"key": r.key, "reason": r.reason} for r in rejected])
    with single_writer(out):
        finished = out / "manifest.json"
        if finished.is_file():
            manifest = read_manifest(out)
            if manifest["plan"] != digest or {s["file"] for s in manifest["shards"]} != {
                f"data/{job.file.name}" for job in jobs
            }:
                raise UserError(f"{out} already holds a different dataset: choose another folder or delete it")
            _refuse(strict, manifest["quarantine"])
            mend(
                out,
                manifest,
                jobs,
                run=lambda broken: _run(broken, place, progress=lambda done: None),
                workers=place.workers,
                progress=progress,
                mended=mended,
            )
            _sweep(out)
            progress(len(samples))
            return manifest
        work = Unfinished(out, jobs, digest)
        reports = {job.file.name: work.finished(job) for job in jobs}
        missing = [job for job in jobs if reports[job.file.name] is None]
        already = len(samples) - sum(len(job.samples) for job in missing)
        progress(already)
        for report in _run(missing, place, progress=lambda done: progress(already + done)):
            work.keep(report)
            reports[report["file"]] = report
        ordered = [report for report in (reports[job.file.name] for job in jobs) if report is not None]
        if not any(report["rows"] for report in ordered):
            first = ordered[0]["quarantine"][0]
            raise UserError(f"none of the {len(samples)} pairs is usable; the first: {first['reason']}")
        _refuse(strict, [entry for report in ordered for entry in report["quarantine"]])
        work.check_sources()
        manifest = write_manifest(out, ordered, recipe=recipe, plan=digest, rejected=rejected)
        _sweep(out)
        return manifest


def _sweep(out: Path) -> None:
    """Remove what killed builds have left in a folder that is whole now."""
    shutil.rmtree(out / ".build", ignore_errors=True)
    for leftover in out.rglob(".*.partial"):
        leftover.unlink()


def _run(jobs: Sequence[ShardJob], place: BuildOptions, *, progress: Callable[[int], None]):
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
