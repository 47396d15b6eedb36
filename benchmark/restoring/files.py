"""Files of `bench restore`: what belongs where, and what is there already from the same image and weights."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from models.errors import UserError
from models.files import SEAL, check_seal, parse_json, sealed, sha256_bytes, sha256_file, sha256_json
from models.images.photo_writing import SUFFIXES
from models.images.pixels import list_images

LEDGER = ".restored.jsonl"
KEYS = {"file", "from", "by", "sha256"}


@dataclass(frozen=True, kw_only=True)
class PhotoJob:
    """One image file and where its restored image goes."""

    file: Path
    out: Path


def find_jobs(source: Path, target: Path, suffix: str) -> list[PhotoJob]:
    """Return each input file with its output file.

    Raises:
        UserError: The input is missing, input and output are of different kinds, or one would take the other's place.
    """
    if source.is_dir():
        if target.is_file():
            raise UserError(f"IN is a folder, so OUT must be one too, but {target} is a file")
        jobs = [PhotoJob(file=file, out=target / f"{file.stem}{suffix}") for file in list_images(source)]
        taken: dict[Path, Path] = {}
        for job in jobs:
            if job.out in taken:
                names = f"{taken[job.out].name} and {job.file.name}"
                raise UserError(f"{names} would both be written to {job.out.name}: rename one")
            taken[job.out] = job.file
    elif not source.exists():
        raise UserError(f"IN not found: {source}")
    elif not source.is_file():
        raise UserError(f"IN is a device, a pipe or the like: {source}: give an image or a folder")
    elif target.is_dir():
        jobs = [PhotoJob(file=source, out=target / f"{source.stem}{suffix}")]
    elif target.suffix.lower() not in SUFFIXES:
        raise UserError(f"OUT must end in one of {' '.join(SUFFIXES)}, got {target.name}")
    else:
        jobs = [PhotoJob(file=source, out=target)]
    own = {job.file.resolve() for job in jobs}
    for job in jobs:
        if job.out.resolve() in own:
            raise UserError(f"{job.out} is one of the images to restore: choose another OUT")
    return jobs


@contextmanager
def announced(folder: Path, *, tell: Callable[[str], None]) -> Iterator[None]:
    """Let other processes see that this one restores into a folder, and tell when one does so already.

    Both may go on: each writes whole files, and takes what the other has finished by then as done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(
                f"another process restores into {folder} as well: what it has finished is not restored again, what "
                "both begin is restored twice"
            )
        except OSError:  # some file systems lock no folders; then nothing is told
            pass
        yield
    finally:
        os.close(handle)


class Ledger:
    """Which files of a folder came from which image by which settings; a line is added just before its file.

    Every line ends with a digest of itself. Several processes may add lines to one ledger at once.

    Arguments:
        folder: Where the restored images lie.
        settings: All that the pixels of a restored image depend on besides the image.
        tell: Called with a line about what is found wrong.

    Raises:
        UserError: The ledger's place is taken by something that is no file.
    """

    def __init__(
        self, folder: Path, settings: dict[str, Any], *, tell: Callable[[str], None] = lambda line: None
    ) -> None:
        self._path = folder / LEDGER
        self._by = sha256_json(settings)
        self._known: dict[str, list[dict[str, str]]] = {}
        self._read = 0
        if damaged := self._look():
            lines = ", ".join(str(line) for line in damaged[:5]) + (", ..." if len(damaged) > 5 else "")
            one = len(damaged) == 1
            tell(
                f"{self._path}: {'line' if one else 'lines'} {lines} {'was' if one else 'were'} changed after being "
                "written and do not count: a file that is told of there alone is not replaced without --overwrite"
            )

    def _look(self) -> list[int]:
        """Take up the lines that were added since, and return the numbers of those that are damaged."""
        if not is_file(self._path):
            return []
        lines = self._path.read_bytes().split(b"\n")
        torn = lines.pop()  # nothing, where the file ends with a whole line; else what a kill has left of one
        damaged = []
        for number, line in enumerate(lines[self._read :], self._read + 1):
            entry = _entry(line)
            if entry is not None:
                self._known.setdefault(entry["file"], []).append(entry)
            elif line:
                damaged.append(number)
        self._read = len(lines)
        if (entry := _entry(torn)) is not None:
            self._known.setdefault(entry["file"], []).append(entry)
        return damaged

    def knows(self, out: Path, data: bytes) -> bool:
        """Say whether a file is there, as it was written, from the same image by the same settings.

        Raises:
            UserError: A file is there that this program did not write, or that was changed since.
        """
        if not is_file(out):
            return False
        digest = sha256_file(out)
        origins = self._origins(out, digest)
        if not origins:
            self._look()  # another process may have written it meanwhile
            origins = self._origins(out, digest)
        if not origins:
            raise UserError(
                f"{out} is there already and was not written here, or was changed since: give another OUT, or "
                "--overwrite"
            )
        return (sha256_bytes(data), self._by) in origins

    def _origins(self, out: Path, digest: str) -> list[tuple[str, str]]:
        return [(entry["from"], entry["by"]) for entry in self._known.get(out.name, []) if entry["sha256"] == digest]

    def add(self, out: Path, data: bytes, written: bytes) -> None:
        """Note that a file is about to be written: were it noted afterwards, a kill in between would orphan it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        is_file(self._path)
        entry = {"file": out.name, "from": sha256_bytes(data), "by": self._by, "sha256": sha256_bytes(written)}
        with open(os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # other processes add lines, too
            file.write(_mended(file) + json.dumps(sealed(entry)).encode() + b"\n")


def is_file(path: Path) -> bool:
    """Say whether a file is there.

    Raises:
        UserError: Something else is: a link, which might lead out of its folder, a folder or a device.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or the like"
        raise UserError(f"{path} is {kind}, where a file would be written: remove it, or give another OUT")
    return True


def _entry(line: bytes) -> dict[str, str] | None:
    """Return a line of a ledger; None when it is not as it was written."""
    try:
        entry = parse_json(line, "a line")
        # Those of earlier versions have no seal.
        check_seal(entry, "a line", required=set(entry) != KEYS, remedy="")
    except UserError:
        return None
    return entry if {*entry} - {SEAL} == KEYS and all(isinstance(value, str) for value in entry.values()) else None


def _mended(file: BinaryIO) -> bytes:
    """Remove a line that a kill has torn from the end of a ledger, and return what must stand before the next line."""
    file.seek(0)
    whole, newline, torn = file.read().rpartition(b"\n")
    if not torn:
        return b""
    if _entry(torn) is not None:
        return b"\n"
    file.truncate(len(whole) + len(newline))
    return b""
