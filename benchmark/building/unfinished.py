"""What an unfinished build knows of its finished shards: sealed reports in `.build`, trusted only while they hold."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.building.plan import ShardJob
from benchmark.sources.state import Seen, state_of
from models.errors import UserError
from models.files import read_sealed, sha256_file, write_sealed

_REMEDY = "it is made anew"


class Unfinished:
    """The working folder of a build.

    Arguments:
        out: The dataset folder.
        jobs: All shards.
        plan: Digest of the plan; what a build of another plan left is removed.
    """

    def __init__(self, out: Path, jobs: Sequence[ShardJob], plan: str) -> None:
        self._work, data = out / ".build", out / "data"
        if self._work.is_dir() and _read(self._work / "plan.json") != {"plan": plan}:
            shutil.rmtree(self._work)
            shutil.rmtree(data, ignore_errors=True)
        self._work.mkdir(parents=True, exist_ok=True)
        data.mkdir(exist_ok=True)
        write_sealed(self._work / "plan.json", {"plan": plan})
        self._jobs = jobs
        seen: Seen = {}
        self._states = {job.file.name: state_of(job.samples, seen) for job in jobs}

    def keep(self, report: dict[str, Any]) -> None:
        """Store the report of a shard that is finished now."""
        write_sealed(self._report(report["file"]), {**report, "sources": self._states[report["file"]]})

    def finished(self, job: ShardJob) -> dict[str, Any] | None:
        """Return the report of a shard that an earlier run finished, while it and its sources are what they were."""
        report = _read(self._report(job.file.name))
        if report is None or report.get("file") != job.file.name or not job.file.is_file():
            return None
        if report.pop("sources", None) != self._states[job.file.name] or sha256_file(job.file) != report.get("sha256"):
            return None
        return report

    def check_sources(self) -> None:
        """Look whether the sources are still what they were when the build began.

        Raises:
            UserError: Some changed. Their shards are forgotten; the next run makes them anew.
        """
        seen: Seen = {}
        changed = [job for job in self._jobs if state_of(job.samples, seen) != self._states[job.file.name]]
        for job in changed:
            self._report(job.file.name).unlink(missing_ok=True)
        if changed:
            raise UserError(
                f"sources changed while they were read ({len(changed)} of {len(self._jobs)} shards, the first "
                f"{changed[0].file.name}): leave them alone and run the same command again, it makes these shards anew"
            )

    def _report(self, name: str) -> Path:
        return self._work / f"{name}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """Return a sealed file of the working folder, None when it is absent, damaged or of an earlier version."""
    try:
        return read_sealed(path, "build state", remedy=_REMEDY)
    except (UserError, OSError):
        return None
