"""A finished dataset looked over by a rerun of its build: what is missing or damaged is made again, with its bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import engine as engines
from benchmark.building.manifest import write_sidecar
from benchmark.building.plan import ShardJob
from benchmark.building.record import stored_sha256
from benchmark.dataset.shards import ROLES, told_rows
from benchmark.publish.card.write import write_card
from benchmark.publish.hub.files import CARD, CROISSANT, TERMS
from benchmark.sources.samples import Sample
from models.errors import UserError
from models.files import sha256_file

Run = Callable[[Sequence[ShardJob]], Iterable[dict[str, Any]]]
"""Makes shards, at the places that their jobs name, and yields their reports."""


@dataclass(frozen=True)
class _Look:
    """One job: a shard, and the digest that the manifest holds for it."""

    job: ShardJob
    sha256: str


@dataclass(frozen=True)
class _Seen:
    """What became of it: whether the file is whole, and the first image whose source holds other bytes now."""

    whole: bool
    changed: str | None = None


def mend(
    out: Path,
    manifest: dict[str, Any],
    jobs: Sequence[ShardJob],
    *,
    run: Run,
    workers: int,
    progress: Callable[[int], None],
    mended: Callable[[str], None],
) -> None:
    """Make every file of a finished dataset again that is missing or not the one that its manifest describes.

    Arguments:
        out: The dataset folder.
        manifest: Its manifest.
        jobs: Its shards, as the sources are now.
        run: Makes shards.
        workers: Local worker processes that look at the files, 0 for none.
        progress: Called with the number of pairs looked at.
        mended: Called with the name of each file that was made again.

    Raises:
        UserError: The sources hold other bytes than the dataset was built from; nothing is changed.
    """
    written = {Path(shard["file"]).name: shard["sha256"] for shard in manifest["shards"]}
    looks = [_Look(job, written[job.file.name]) for job in jobs]
    broken: list[ShardJob] = []
    numbered = list(enumerate(looks))
    for number, seen in sorted(engines.run_jobs(_look, numbered, workers=workers, progress=progress)):
        if seen.changed is not None:
            raise _other_sources(out, seen.changed)
        if not seen.whole:
            broken.append(jobs[number])
    _make_again(out, broken, written, run=run, mended=mended)
    for split, facts in manifest["sidecar"].items():
        file = out / facts["file"]
        if not file.is_file() or sha256_file(file) != facts["sha256"]:
            _tell_again(out, split, [job for job in jobs if job.file.name.startswith(f"{split}-")], facts["sha256"])
            mended(facts["file"])
    missing = [name for name in (CARD, CROISSANT, TERMS) if not (out / name).is_file()]
    if missing:
        write_card(out, manifest)
    for name in missing:
        mended(name)


def _look(numbered: tuple[int, _Look]) -> tuple[int, _Seen]:
    number, look = numbered
    job = look.job
    if not job.file.is_file() or sha256_file(job.file) != look.sha256:
        engines.advance(len(job.samples))
        return number, _Seen(False)
    rows = {row["key"]: row for row in told_rows(job.file)}
    changed: str | None = None
    last: tuple[Any, str | None] = (None, None)
    for sample in job.samples:
        row = rows.get(sample.key)
        for role, image in zip(ROLES, (sample.degraded, sample.clean), strict=True):
            if row is None or image is None or changed is not None or not getattr(image, "files", ()):
                continue  # it was left out, or is made here
            if image != last[0]:  # neighbouring pairs often share their clean image
                last = (image, stored_sha256(image))
            if last[1] != row[f"{role}_sha256"]:
                changed = f"the {role} image of {sample.key}"
        engines.advance()
    return number, _Seen(True, changed)


def _make_again(
    out: Path, jobs: Sequence[ShardJob], written: dict[str, str], *, run: Run, mended: Callable[[str], None]
) -> None:
    work = out / ".build" / "mend"
    try:
        for report in run([replace(job, file=work / job.file.name) for job in jobs]):
            name = report["file"]
            if report["sha256"] != written[name]:
                raise _other_sources(out, f"shard {name}, which is missing or damaged and was made again,")
            (out / "data").mkdir(exist_ok=True)
            os.replace(work / name, out / "data" / name)
            mended(f"data/{name}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _tell_again(out: Path, split: str, jobs: Sequence[ShardJob], sha256: str) -> None:
    """Write the captions of a split that came along again."""
    captions: dict[str, Sample] = {sample.key: sample for job in jobs for sample in job.samples}
    rows = [
        {"key": row["key"], "clean_sha256": row["clean_sha256"], "caption": captions[row["key"]].caption}
        for job in jobs
        for row in told_rows(job.file)
    ]
    if write_sidecar(out, split, rows, expected=sha256) is None:
        raise _other_sources(out, f"the captions that came along with the {split} images")


def _other_sources(out: Path, what: str) -> UserError:
    return UserError(
        f"the sources are not those that {out} was built from: {what} would have other bytes now; put the sources back "
        "as they were, or choose another folder for what they are now"
    )
