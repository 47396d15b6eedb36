"""How a file that a stranger wrote is opened: once, only an ordinary one, and never read beyond its length."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from models.errors import UserError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class Damaged(ValueError):
    """What a file holds is not what it should be; the message says what is wrong with it, without naming the file."""


@contextmanager
def regular_file(path: Path, *, what: str = "weights") -> Iterator[BinaryIO]:
    """Open an ordinary file for reading, without waiting for anything.

    Devices, pipes and sockets are refused before a byte of them is read. Who reads takes `length` bytes at most: the
    files of /proc have a length of 0, whatever they would give.

    Arguments:
        path: The file; links are followed.
        what: Its role, for the error.

    Raises:
        UserError: There is no such file, it may not be read, or it is something else than a file.
    """
    try:
        # A device may do something when it is opened; what was put in its place since then shows afterwards.
        _check_kind(os.stat(path).st_mode, path, what)
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{what} not found: {path}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{path} cannot be read ({reason}): give the file of the {what}") from None
    try:
        _check_kind(os.fstat(number).st_mode, path, what)
        with open(number, "rb", closefd=False) as handle:
            yield handle
    finally:
        os.close(number)


def _check_kind(mode: int, path: Path, what: str) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no ordinary file")
        raise UserError(f"{path} is {kind}: give the file of the {what} itself")


def length(handle: BinaryIO) -> int:
    """Return how many bytes an open file has."""
    return os.fstat(handle.fileno()).st_size


def start_of(path: Path, count: int) -> bytes:
    """Return the first bytes of an ordinary file; nothing of anything else, nor of what cannot be read."""
    try:
        with regular_file(path) as handle:
            return handle.read(min(count, length(handle)))
    except (UserError, OSError):
        return b""


def content(handle: BinaryIO, path: Path) -> bytes:
    """Return all bytes of an open file.

    Raises:
        UserError: They cannot be read, or there is not enough memory for them.
    """
    try:
        handle.seek(0)
        return handle.read(length(handle))
    except (OSError, MemoryError) as error:
        raise UserError(f"{path} cannot be read ({_reason(error)})") from None


def mapped(handle: BinaryIO, path: Path) -> mmap.mmap:
    """Map an open file into memory: nothing of it is read before it is used, and what is written there stays there.

    Raises:
        UserError: It cannot be mapped.
        Damaged: It is empty.
    """
    size = length(handle)
    if not size:
        raise Damaged("it is empty")
    try:
        return mmap.mmap(handle.fileno(), size, access=mmap.ACCESS_COPY)
    except (OSError, ValueError, MemoryError) as error:
        raise UserError(f"{path} cannot be read ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    return getattr(error, "strerror", None) or str(error)
