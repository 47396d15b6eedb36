"""What lies inside a folder or an archive: the rules by which a name is taken, left out or refused."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from benchmark.sources.samples import Rejected, SourceChanged
from models.errors import UserError

MAX_BYTES = 1 << 30
"""A larger file is no photo; reading one would fill the memory of the workers."""

MAX_NAME = 255  # bytes of one part of a path, the limit of every file system in use
SYSTEM_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")
SYSTEM_FILES = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a place.

    Arguments:
        inside: Its path inside the place, parts joined by `/`.
        size: Number of bytes when unpacked.
        offset: Where an archive holds it: the local header of a zip, the first byte of data of a tar.
        check: What an archive must still hold there, as a CRC-32: of the data (zip), of the header (tar), of header and
            data (compressed tar, whose index would otherwise be believed whatever the archive is now).
    """

    inside: str
    size: int
    offset: int = 0
    check: int | None = None


Listing = tuple[list[Member], list[Rejected]]
"""The members of a place, each name once, and those that cannot be used."""


class Place(Protocol):
    """A folder or an archive. Survives pickling; worker processes read from it."""

    @property
    def path(self) -> Path:
        """Where it lies, absolute."""
        ...

    @property
    def label(self) -> str:
        """The name that stands for its top folder: that of the folder itself, or of the archive without ending."""
        ...

    def name_of(self, inside: str) -> str:
        """Return what messages call a member."""
        ...

    def file_of(self, inside: str) -> Path:
        """Return the file on disk that holds a member."""
        ...

    def members(self) -> Listing:
        """List what is inside."""
        ...

    def read(self, member: Member) -> bytes:
        """Return the bytes of one member."""
        ...


@dataclass(frozen=True, slots=True)
class Archive:
    """What the archives have in common; each kind adds how it is listed and read.

    Arguments:
        path: The file, absolute.
        label: Its name without ending.
    """

    path: Path
    label: str

    def name_of(self, inside: str) -> str:
        """Return what messages call a member."""
        return f"{self.path.name}: {printable(inside)}"

    def file_of(self, inside: str) -> Path:
        """Return the file on disk that holds a member: the archive."""
        return self.path


def changed(name: str) -> SourceChanged:
    """Return the error for a member of which an archive holds something else than it did."""
    return SourceChanged(
        f"{name} is not where it was: the archive was changed since it was listed; run the same command again"
    )


class Refused(Exception):
    """A member that cannot be used; the message is the reason."""


def tidy_name(raw: str) -> str:
    """Return the path of a member without `.` and empty parts.

    Raises:
        Refused: The name leaves the place, also when read as Windows would, or no file system could hold it.
    """
    as_windows = raw.replace("\\", "/")
    if raw.startswith("/") or as_windows.startswith("/") or as_windows[1:3] == ":/" or as_windows[1:2] == ":":
        raise Refused("its name is an absolute path")
    if ".." in as_windows.split("/"):
        raise Refused("its name leaves the folder with '..'")
    if any(ord(character) < 32 or ord(character) == 127 for character in raw):
        raise Refused("its name holds control characters: rename it")
    try:
        parts = [part for part in raw.split("/") if part not in ("", ".")]
        if any(len(part.encode("utf-8")) > MAX_NAME for part in parts):
            raise Refused(f"a part of its name is longer than {MAX_NAME} bytes")
    except UnicodeEncodeError:
        raise Refused("its name is not UTF-8: rename it") from None
    if not parts:
        raise Refused("it has no name")
    return "/".join(parts)


def left_out(inside: str) -> bool:
    """Whether a file belongs to an operating system and not to the set: hidden, thumbnails, resource forks."""
    path = PurePosixPath(inside)
    return (
        any(part.startswith(".") or part in SYSTEM_FOLDERS for part in path.parts) or path.name.lower() in SYSTEM_FILES
    )


def check_size(size: int) -> None:
    """Refuse a member that is too large to be an image.

    Raises:
        Refused: It has more than `MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise Refused(f"{size / MAX_BYTES:.1f} GiB are more than the limit of {MAX_BYTES >> 30} GiB for one file")


def kind_of(mode: int) -> str:
    """Name what a file is that is not a regular one, from its Unix mode."""
    kinds = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"))
    return next((word for test, word in kinds if test(mode)), "a device or socket")


def printable(name: str) -> str:
    """Return a name that can stand in any message or table: odd characters escaped, the middle of a long one cut."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return text if len(text) <= 200 else f"{text[:120]}...{text[-70:]}"


def take_last(place: Place, found: list[Member]) -> Listing:
    """Keep each name once: the last of its kind, which is what unpacking leaves; the others are rejected."""
    last = {member.inside: member for member in found}
    reason = "the archive holds a later file of the same name, and unpacking keeps only that"
    earlier = [m for m in found if last[m.inside] is not m]
    return list(last.values()), [Rejected(key=place.name_of(m.inside), reason=reason) for m in earlier]


def unreadable(path: Path, kind: str, reason: object) -> UserError:
    """Return the error for an archive that cannot be opened, looking at its first bytes for what it is instead.

    Arguments:
        path: The file.
        kind: What was expected, e.g. `"zip archive"`.
        reason: What the reader said.
    """
    try:
        with open(path, "rb") as handle:
            head = handle.read(512)
    except OSError as error:
        return UserError(f"{path} cannot be read: {error.strerror or error}")
    if not head:
        reason = "the file is empty"
    elif head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        reason = "it is a web page, saved in place of the archive"
    elif head.startswith((b"Rar!", b"7z\xbc\xaf")):
        return UserError(f"{path} is no {kind} but a {'.rar' if head[:1] == b'R' else '.7z'}: unpack it first")
    return UserError(f"{path} is no readable {kind} ({reason}): obtain it again")
