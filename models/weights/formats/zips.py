"""The members of a zip archive by name and place; nothing is unpacked beyond what an archive may sensibly hold."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from models.weights.formats.doors import Damaged, length

DIRECTORY = 8 << 20
"""How many bytes the directory of an archive may have: enough for 80,000 members."""

SPARE, RATIO = 64 << 20, 16
"""What an archive may unpack to: so many bytes, or so many times its own length."""

_HEADER = struct.Struct("<4s22xHH")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in an archive.

    Arguments:
        start: Where its bytes begin in the archive.
        packed: How many they are there.
        size: How many they are when unpacked.
        deflated: Whether they are compressed.
        crc: Checksum of what is unpacked.
    """

    start: int
    packed: int
    size: int
    deflated: bool
    crc: int


class _Bounded(io.RawIOBase):
    """An open file of which no piece larger than a directory is read at once."""

    def __init__(self, handle: BinaryIO) -> None:
        super().__init__()
        self._handle = handle

    def read(self, size: int = -1, /) -> bytes:
        size = min(size if size >= 0 else DIRECTORY, length(self._handle))
        if size > DIRECTORY:
            raise Damaged(f"its directory would have {size} bytes")
        return self._handle.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        return self._handle.tell()

    def seekable(self) -> bool:
        return True


def members(handle: BinaryIO) -> dict[str, Member]:
    """Return the files of a zip archive, in the order of its directory.

    Raises:
        Damaged: It is no zip archive, is cut off, or has members that are encrypted, compressed in an unusual way,
            named twice, or not all there.
    """
    try:
        with zipfile.ZipFile(_Bounded(handle)) as archive:
            entries = archive.infolist()
    except Exception as error:  # a broken directory can raise nearly anything
        reason = str(error)[:100] if str(error).isprintable() and str(error) else type(error).__name__
        raise Damaged(f"it is no whole zip archive ({reason})") from None
    found: dict[str, Member] = {}
    for entry in entries:
        if entry.filename in found:
            raise Damaged("two of its members have one name")
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Damaged("its members are encrypted, or compressed in an unusual way")
        found[entry.filename] = _member(handle, entry)
    return found


def _member(handle: BinaryIO, entry: zipfile.ZipInfo) -> Member:
    whole = length(handle)
    if not 0 <= entry.header_offset <= whole - _HEADER.size:
        raise Damaged("a member of it lies outside of it")
    handle.seek(entry.header_offset)
    mark, name, extra = _HEADER.unpack(handle.read(_HEADER.size))
    start = entry.header_offset + _HEADER.size + name + extra
    deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    if mark != b"PK\x03\x04" or start + entry.compress_size > whole:
        raise Damaged("a member of it is not all there")
    if not deflated and entry.file_size != entry.compress_size:
        raise Damaged("a member of it has two lengths")
    return Member(start=start, packed=entry.compress_size, size=entry.file_size, deflated=deflated, crc=entry.CRC)


def check_unpacked(found: Iterable[Member], handle: BinaryIO) -> None:
    """Refuse an archive that would unpack to far more than it is.

    Raises:
        Damaged: It is such a one.
    """
    size, whole = sum(member.size for member in found), length(handle)
    if size > max(SPARE, RATIO * whole):
        raise Damaged(f"its {whole} bytes would unpack to {size}")


def unpacked(handle: BinaryIO, member: Member) -> bytes:
    """Return the bytes of a member, after they were compared with its length and checksum.

    Raises:
        Damaged: They are others.
    """
    handle.seek(member.start)
    data = handle.read(member.packed)
    if member.deflated:
        try:
            # One byte more than there should be, so that a longer member shows.
            data = zlib.decompressobj(-15).decompress(data, member.size + 1)
        except zlib.error:
            raise Damaged("a member of it cannot be unpacked") from None
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise Damaged("a member of it differs from its checksum")
    return data
