"""A folder on disk: its files listed, links followed, nothing that is not a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.sources.members import Listing, Member, Refused, check_size, kind_of, left_out, printable, tidy_name
from benchmark.sources.samples import Rejected
from models.errors import UserError


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
        return printable(os.path.join(self.given, inside))

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
            OSError: It is gone or cannot be read.
        """
        return (self.path / member.inside).read_bytes()

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
