"""Tar archives: members listed in one pass, then read straight from their place in the file."""

from __future__ import annotations

import struct
import tarfile
import zlib
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from benchmark.sources.files.members import (
    Archive,
    Listing,
    Member,
    Place,
    Refused,
    changed,
    check_size,
    left_out,
    take_last,
    tidy_name,
    unreadable,
)
from benchmark.sources.samples import Rejected
from models.errors import UserError

BLOCK = tarfile.BLOCKSIZE
MAX_HEADER = 1 << 22  # bytes; extended headers hold names and attributes, never more than this in earnest
STEP = 1 << 20  # bytes read at once where a stream is passed over

# What `tarfile` and `gzip` let out when they meet bytes that are not as they should be.
BROKEN = (
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class TarArchive(Archive):
    """A tar without compression."""

    def members(self) -> Listing:
        """List the files inside.

        Raises:
            UserError: The file is no tar, is cut off, or a header in it is damaged.
        """
        try:
            with open(self.path, "rb") as handle:
                return list_tar(_Blocks(handle, seeks=True), self)
        except BROKEN as error:
            raise unreadable(self.path, "tar archive", error) from None

    def read(self, member: Member) -> bytes:
        """Return the bytes of a member.

        Raises:
            UserError: The archive is cut off or was changed since it was listed.
            FileNotFoundError: The archive is gone.
        """
        with open(self.path, "rb") as handle:
            handle.seek(member.offset - BLOCK)
            block = handle.read(BLOCK + member.size)
        return contents(block, member, self, check=zlib.crc32(block[:BLOCK]))


class _Blocks:
    """What `tarfile` reads from while it lists: forward only, so that no header can lead it in circles.

    Arguments:
        handle: The open file, or a stream that unpacks one.
        seeks: Whether the file can jump; a stream is read over instead.
    """

    def __init__(self, handle: IO[bytes], *, seeks: bool) -> None:
        self._handle = handle
        self._seeks = seeks
        self._position = 0
        self.last = b""  # what was read last: tells a proper end from a torn one
        self.check = 0  # CRC-32 of what is watched: the last header, and in a stream the data behind it
        self._watched = 0

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError(f"a header says that it has {size} bytes")
        self.last = self._handle.read(size)
        self._position += len(self.last)
        self._look_at(self.last)
        return self.last

    def watch(self, size: int) -> None:
        """Begin a check with the header that was read last; a stream adds the data behind it as it passes."""
        self.check = zlib.crc32(self.last)
        self._watched = 0 if self._seeks else size

    def _look_at(self, data: bytes) -> None:
        if self._watched:
            self.check = zlib.crc32(data[: self._watched], self.check)
            self._watched = max(0, self._watched - len(data))

    def seek(self, target: int) -> None:
        if target < self._position:
            raise tarfile.ReadError("a header leads backwards")
        if self._seeks:
            self._position = self._handle.seek(target)
        while self._position < target:
            passed = self._handle.read(min(STEP, target - self._position))
            if not passed:
                return
            self._position += len(passed)
            self._look_at(passed)


def list_stream(stream: IO[bytes], place: Place) -> Listing:
    """List a tar that comes as a stream, and read the stream to its end.

    Arguments:
        stream: The unpacked tar from its first byte.
        place: The archive, for names in messages.

    Raises:
        tarfile.TarError: It is no tar, is cut off, or a header is damaged; what the stream itself raises comes through.
    """
    listing = list_tar(_Blocks(stream, seeks=False), place)
    while stream.read(STEP):  # the checksum of the stream stands at its end
        pass
    return listing


def list_tar(blocks: _Blocks, place: Place) -> Listing:
    """List a tar; `tarfile` parses the headers.

    Arguments:
        blocks: The tar from its first byte.
        place: The archive, for names in messages.

    Raises:
        tarfile.TarError: It is no tar, is cut off, or a header is damaged; further kinds of `BROKEN` may come too.
    """
    found: list[Member] = []
    checks: list[int] = []
    rejected: list[Rejected] = []
    handle = cast("IO[bytes]", blocks)
    with tarfile.open(fileobj=handle, mode="r:", encoding="utf-8", errors="surrogateescape") as opened:
        archive: Any = opened
        while (info := archive.next()) is not None:
            checks += [blocks.check] * (len(found) - len(checks))  # of the file before this one, which has passed now
            archive.members.clear()  # they are many, and none is asked for again
            if info.isdir():
                continue
            try:
                inside = tidy_name(info.name)
                if left_out(inside):
                    continue
                _check(info)
                if blocks.tell() != info.offset_data:
                    raise Refused("its header is of an unknown form: unpack the archive first")
                blocks.watch(info.size)
                found.append(Member(inside, info.size, info.offset_data))
            except Refused as error:
                rejected.append(Rejected(key=place.name_of(info.name), reason=str(error)))
    # `tarfile` takes a damaged or missing header for the end; the real end is a block of zeros.
    if blocks.last != bytes(BLOCK):
        torn = "a damaged header" if len(blocks.last) == BLOCK else "cut off: the mark of its end is missing"
        raise tarfile.ReadError(f"{torn}, after {len(found) + len(rejected)} files")
    checks += [blocks.check] * (len(found) - len(checks))
    kept, earlier = take_last(place, [replace(m, check=check) for m, check in zip(found, checks, strict=True)])
    return kept, rejected + earlier


def _check(info: tarfile.TarInfo) -> None:
    if info.issym() or info.islnk():
        raise Refused(f"it is a {'symbolic' if info.issym() else 'hard'} link, not a file")
    if not info.isreg():
        raise Refused("it is a device or pipe, not a file")
    if info.issparse():
        raise Refused("it is stored as a sparse file: unpack the archive first")
    check_size(info.size)


def contents(block: bytes, member: Member, place: Place, *, check: int) -> bytes:
    """Return the data of a member without its header.

    Arguments:
        block: The header block of the member and its data.
        member: What the listing says.
        place: The archive, for messages.
        check: CRC-32 of what the listing has checked.

    Raises:
        UserError: The header is damaged, or bytes are missing.
        SourceChanged: The archive holds something else there than when it was listed.
    """
    name = place.name_of(member.inside)
    try:
        header: Any = tarfile.TarInfo.frombuf(block[:BLOCK], "utf-8", "surrogateescape")
    except BROKEN as error:
        raise UserError(f"{name} is damaged ({error})") from None
    if header.size != member.size:
        raise changed(name)
    if len(block) != BLOCK + member.size:
        raise UserError(f"{name} is damaged ({len(block) - BLOCK} bytes instead of {member.size})")
    if check != member.check:
        raise changed(name)
    return block[BLOCK:]
