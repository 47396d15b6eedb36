"""Files of `bench restore`: what belongs where, and what is there already from the same image and weights."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.files import sha256_bytes, sha256_json
from models.images import list_images
from models.photo_writing import SUFFIXES

LEDGER = ".restored.jsonl"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One image file and where its restored image goes."""

    file: Path
    out: Path


def find_jobs(source: Path, target: Path, suffix: str) -> list[Job]:
    """Return each input file with its output file.

    Raises:
        UserError: The input is missing, input and output are of different kinds, or one would take the other's place.
    """
    if source.is_dir():
        if target.is_file():
            raise UserError(f"IN is a folder, so OUT must be one too, but {target} is a file")
        jobs = [Job(file=file, out=target / f"{file.stem}{suffix}") for file in list_images(source)]
        taken: dict[Path, Path] = {}
        for job in jobs:
            if job.out in taken:
                names = f"{taken[job.out].name} and {job.file.name}"
                raise UserError(f"{names} would both be written to {job.out.name}: rename one")
            taken[job.out] = job.file
    elif not source.is_file():
        raise UserError(f"IN not found: {source}")
    elif target.is_dir():
        jobs = [Job(file=source, out=target / f"{source.stem}{suffix}")]
    elif target.suffix.lower() not in SUFFIXES:
        raise UserError(f"OUT must end in one of {' '.join(SUFFIXES)}, got {target.name}")
    else:
        jobs = [Job(file=source, out=target)]
    own = {job.file.resolve() for job in jobs}
    for job in jobs:
        if job.out.resolve() in own:
            raise UserError(f"{job.out} is one of the images to restore: choose another OUT")
    return jobs


class Ledger:
    """Which files of a folder came from which image by which settings; a line is added just before its file.

    Several processes may add lines to one ledger at once.

    Arguments:
        folder: Where the restored images lie.
        settings: All that the pixels of a restored image depend on besides the image.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._path = folder / LEDGER
        self._by = sha256_json(settings)
        self._known: dict[str, list[dict[str, str]]] = {}
        if self._path.is_file():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                with suppress(json.JSONDecodeError, KeyError, TypeError):  # a line that a kill has torn
                    entry = json.loads(line)
                    self._known.setdefault(entry["file"], []).append(entry)

    def knows(self, out: Path, data: bytes) -> bool:
        """Say whether a file is there, as it was written, from the same image by the same settings.

        Raises:
            UserError: A file is there that this program did not write, or that was changed since.
        """
        if not out.exists():
            return False
        digest = sha256_bytes(out.read_bytes())
        origins = [(entry["from"], entry["by"]) for entry in self._known.get(out.name, []) if entry["sha256"] == digest]
        if not origins:
            raise UserError(f"{out} is there already and was not written here: give another OUT, or --overwrite")
        return (sha256_bytes(data), self._by) in origins

    def add(self, out: Path, data: bytes, written: bytes) -> None:
        """Note that a file is about to be written: were it noted afterwards, a kill in between would orphan it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        entry = {"file": out.name, "from": sha256_bytes(data), "by": self._by, "sha256": sha256_bytes(written)}
        with open(self._path, "a", encoding="utf-8") as file:
            # One write of whole lines: other processes may add theirs at the same time.
            file.write("\n" * _torn(self._path) + json.dumps(entry) + "\n")


def _torn(path: Path) -> bool:
    """Say whether a file ends within a line."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return size > 0 and file.read(1) != b"\n"
