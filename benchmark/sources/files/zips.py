"""Zip archives: their members listed, and read by any process without unpacking."""

from __future__ import annotations

import errno
import functools
import lzma
import os
import stat
import struct
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmark.sources.files.members import (
    Archive,
    Listing,
    Member,
    Refused,
    changed,
    check_size,
    kind_of,
    left_out,
    take_last,
    tidy_name,
    unreadable,
)
from benchmark.sources.samples import Rejected
from models.errors import UserError

# What `zipfile` and its decompressors let out when they meet bytes that are not as they should be.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
)

UTF8_NAME = 0x800
ENCRYPTED = 0x1
DOS_FOLDER = 0x10
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True, slots=True)
class ZipArchive(Archive):
    """A zip."""

    def members(self) -> Listing:
        """List the files inside.

        Raises:
            UserError: The file is no zip, is cut off, or its directory is damaged.
        """
        try:
            infos = _open(self.path)[0].infolist()
        except (*BROKEN, OSError) as error:
            raise unreadable(self.path, "zip archive", error) from None
        found: list[Member] = []
        rejected: list[Rejected] = []
        for info in infos:
            if _is_folder(info):
                continue
            name = _name(info)
            try:
                inside = tidy_name(name)
                if left_out(inside):
                    continue
                _check(info)
                found.append(Member(inside, info.file_size, info.header_offset, info.CRC))
            except Refused as error:
                rejected.append(Rejected(key=self.name_of(name), reason=str(error)))
        kept, earlier = take_last(self, found)
        return kept, rejected + earlier

    def read(self, member: Member) -> bytes:
        """Return the bytes of a member.

        Raises:
            UserError: They are damaged (checksum), or cut off.
            SourceChanged: The archive holds something else there than when it was listed.
            FileNotFoundError: The archive is gone.
        """
        name = self.name_of(member.inside)
        try:
            archive, infos = _open(self.path)
            info = infos.get(member.offset)
            if info is None or _seen(info) != (member.inside, member.size, member.check):
                raise changed(name)
            # At most the declared size comes out; the checksum then tells whether that was all.
            with archive.open(info) as handle:
                data = handle.read(member.size)
        except BROKEN as error:
            raise UserError(f"{name} is damaged ({error})") from None
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):
                raise
            raise UserError(f"{name} is damaged ({error})") from None  # bad data of bzip2, or an offset below 0
        if len(data) != member.size:
            raise UserError(f"{name} is damaged ({len(data)} bytes instead of {member.size})")
        return data


def _open(path: Path) -> tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]]:
    state = path.stat()
    return _opened(path, (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino), os.getpid())


@functools.lru_cache(maxsize=8)
def _opened(path: Path, identity: tuple[int, ...], process: int) -> tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]]:
    # A forked process shares the position in the file with its parent, so each opens its own; one that is pushed out of
    # the cache is closed when its last reader lets go.
    archive = zipfile.ZipFile(path)
    return archive, {info.header_offset: info for info in archive.infolist()}


def _name(info: zipfile.ZipInfo) -> str:
    """Return the name with `/` between parts; zips of macOS hold UTF-8 without saying so."""
    name = info.orig_filename
    if not info.flag_bits & UTF8_NAME:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    # An absolute or escaping name must be seen as it is; elsewhere a backslash is how old Windows tools part folders.
    return name.replace("\\", "/")


def _seen(info: zipfile.ZipInfo) -> tuple[str | None, int, int]:
    """Return name, size and checksum of a member as the archive has them now."""
    try:
        return tidy_name(_name(info)), info.file_size, info.CRC
    except Refused:
        return None, info.file_size, info.CRC


def _is_folder(info: zipfile.ZipInfo) -> bool:
    folder = info.filename.endswith(("/", "\\")) or bool(info.external_attr & DOS_FOLDER)
    return folder and info.file_size == 0


def _check(info: zipfile.ZipInfo) -> None:
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Refused(f"it is {kind_of(mode)}, not a file")
    if info.flag_bits & ENCRYPTED:
        raise Refused("it is encrypted: unpack the archive with its password first")
    if info.compress_type not in READABLE:
        raise Refused(f"compression method {info.compress_type} cannot be read: unpack the archive first")
    check_size(info.file_size)
