"""A folder on disk: its files listed, links followed, nothing that is not a file."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmark.sources.files.members import (
    Listing,
    Member,
    Refused,
    check_size,
    kind_of,
    left_out,
    printable,
    tidy_name,
)
from benchmark.sources.samples import Rejected, SourceChanged
from models.errors import UserError

SYSTEM_PLACES = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder.

    Arguments:
        path: The folder, absolute.
        label: Its name.
        given: The folder as the user wrote it, for messages.
    """

    path: Path
    label: str
    given: str

    def name_of(self, inside: str) -> str:
        # Not the folder's own path: what is left out is told in the manifest, which says nothing of this machine.
        return printable(f"{self.label}/{inside}")

    def file_of(self, inside: str) -> Path:
        return self.path / inside

    def members(self) -> Listing:
        """List the files at any depth; links to files and folders are followed.

        Raises:
            UserError: The folder itself cannot be read.
        """
        found: list[Member] = []
        rejected: list[Rejected] = []
        for inside, outcome in self._walk("", ()):
            if isinstance(outcome, int):
                found.append(Member(inside, outcome))
            else:
                rejected.append(Rejected(key=self.name_of(inside), reason=outcome))
        return found, rejected

    def read(self, member: Member) -> bytes:
        """Return the bytes of a file.

        Raises:
            SourceChanged: It is no file any more, or of another size.
            OSError: It is gone or cannot be read.
        """
        with open(self.path / member.inside, "rb", opener=_without_waiting) as handle:
            mode = os.fstat(handle.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SourceChanged(f"{self.name_of(member.inside)} is {kind_of(mode)} now: run the same command again")
            data = handle.read(member.size + 1)
        if len(data) != member.size:
            raise SourceChanged(
                f"{self.name_of(member.inside)} has another size than when it was listed: run the same command again"
            )
        return data

    def _walk(self, inside: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, int | str]]:
        """Yield `(path, size)` of every file, or `(path, reason)` of what cannot be used."""
        here = os.path.join(self.path, inside)
        try:
            state = os.stat(here)
            entries = list(os.scandir(here))
        except OSError as error:
            if not inside:
                raise UserError(f"{self.given} cannot be read: {error.strerror}") from None
            yield inside, f"the folder cannot be read: {error.strerror}"
            return
        identity = (state.st_dev, state.st_ino)
        if state.st_dev in _system_devices():
            if not inside:
                raise UserError(f"{self.given} belongs to the system and holds no images: name another folder")
            yield inside, "it belongs to the system"
            return
        if identity in above:
            yield inside, "a link that leads back to a folder around it"
            return
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            if left_out(entry.name):
                continue
            try:
                if entry.is_dir():
                    yield from self._walk(path, (*above, identity))
                    continue
                tidy_name(path)
                mode, size = _stat(entry)
                if not stat.S_ISREG(mode):
                    raise Refused(f"it is {kind_of(mode)}, not a file")
                yield path, size
            except Refused as error:
                yield path, str(error)


def _without_waiting(path: str, flags: int) -> int:
    # A pipe that has taken the place of a file would be waited for without end.
    return os.open(path, flags | os.O_NONBLOCK)


@functools.cache
def _system_devices() -> frozenset[int]:
    """Return the devices of what only looks like files: endless in number, in size, or both."""
    found = set()
    for place in SYSTEM_PLACES:
        with suppress(OSError):
            found.add(os.stat(place).st_dev)
    return frozenset(found - {os.stat("/").st_dev})


def _stat(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        state = entry.stat()
    except OSError as error:
        reason = "a link to a file that is not there" if entry.is_symlink() else f"cannot be read: {error.strerror}"
        raise Refused(reason) from None
    return state.st_mode, state.st_size


def too_large(member: Member) -> str | None:
    """Return why a file of a folder is too large to be used, or None; archives, which are opened, may be larger."""
    try:
        check_size(member.size)
    except Refused as error:
        return str(error)
    return None
