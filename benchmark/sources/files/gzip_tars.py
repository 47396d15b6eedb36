"""Compressed tars: a seek index made once, kept in the cache folder, so that any member is read in milliseconds."""

from __future__ import annotations

import functools
import gzip
import io
import multiprocessing
import os
import threading
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from benchmark.engine.progress import progress_bar
from benchmark.sources.files.archive_cache import cached_paths, forget, is_whole, read_listing, write_listing, writing
from benchmark.sources.files.members import Archive, Listing, Member, changed, unreadable
from benchmark.sources.files.tars import BLOCK, BROKEN, contents, list_stream
from models.errors import UserError
from models.files import atomic_path

MIN_SPACING = 1 << 20  # unpacked bytes between two points of the index; half of it is unpacked to reach a member
MAX_POINTS = 2048  # each holds 32 KiB, in the file and in the memory of every worker
BUFFER = 1 << 17
BAR_FROM = 64 << 20  # bytes; a smaller archive is indexed before anyone wonders


@dataclass(frozen=True, slots=True)
class GzipTar(Archive):
    """A tar compressed by gzip."""

    def members(self) -> Listing:
        """List the files inside; the first time this reads the whole archive and makes its index.

        Raises:
            UserError: The file is no compressed tar, is cut off, fails its checksum, or the cache cannot be written.
        """
        try:
            index, listing = cached_paths(self.path)
            known = read_listing(listing) if index.is_file() else None
        except OSError as error:
            raise unreadable(self.path, "tar.gz archive", error) from None
        return known or _build(self)

    def read(self, member: Member) -> bytes:
        """Return the bytes of a member.

        Raises:
            SourceChanged: They are damaged, or the archive was changed since it was listed; its index is made anew the
                next time, which tells which of the two.
            FileNotFoundError: The archive is gone.
        """
        state = self.path.stat()
        identity = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        reader = _opened(self, identity, os.getpid())
        try:
            block = reader.read(member.offset - BLOCK, BLOCK + member.size)
            return contents(block, member, self, check=zlib.crc32(block))
        except (OSError, ValueError, UserError):
            forget(self.path)
            raise changed(self.name_of(member.inside)) from None


class _Reader:
    """An open archive with its index; threads take turns."""

    def __init__(self, path: Path, index: Path) -> None:
        import indexed_gzip

        self._lock = threading.Lock()
        # The buffer around `raw` would read ahead and unpack the same bytes again at every jump.
        self._file = indexed_gzip.IndexedGzipFile(
            str(path), index_file=str(index), drop_handles=False, readbuf_size=BUFFER, buffer_size=BLOCK
        )

    def read(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.raw.seek(offset)
            return self._file.raw.read(size)


@functools.lru_cache(maxsize=4)
def _opened(place: GzipTar, identity: tuple[int, ...], process: int) -> _Reader:
    # A forked process shares the position in the file with its parent, so each opens its own.
    index, listing = cached_paths(place.path)
    if not is_whole(index, listing):
        _build(place)
    return _Reader(place.path, index)


def _build(place: GzipTar) -> Listing:
    """Make the index and the listing, unless another process has just done so, and return the listing."""
    index, listing = cached_paths(place.path)
    size = place.path.stat().st_size
    with writing(index):
        known = read_listing(listing) if is_whole(index, listing) else None
        if known is not None:
            return known
        # Workers keep silent: bars of several processes on one terminal are unreadable.
        silent = size < BAR_FROM or multiprocessing.parent_process() is not None
        bar = nullcontext(_ignore) if silent else progress_bar(f"index {place.path.name} (MiB)", 2 * size >> 20)
        with bar as show:
            try:
                with open(place.path, "rb") as handle:
                    stream = gzip.GzipFile(fileobj=cast("IO[bytes]", _Counted(handle, show, 0)))
                    found = list_stream(cast("IO[bytes]", stream), place)
            except BROKEN as error:
                raise unreadable(place.path, "tar.gz archive", error) from None
            with atomic_path(index) as partial:
                _write_index(place.path, partial, show, size)
        write_listing(listing, found, index)
        return found


def _write_index(path: Path, index: Path, show: Callable[[int], None], size: int) -> None:
    import indexed_gzip

    with open(path, "rb") as handle:
        counted: Any = _Counted(handle, show, size)
        spacing = max(MIN_SPACING, size // MAX_POINTS)
        with indexed_gzip.IndexedGzipFile(counted, spacing=spacing, readbuf_size=BUFFER, buffer_size=BLOCK) as archive:
            archive.build_full_index()
            archive.export_index(str(index))


def _ignore(done: int) -> None:
    """Show nothing."""


class _Counted(io.RawIOBase):
    """A file that tells a progress bar how far it was read.

    Arguments:
        handle: The open file.
        show: Takes the MiB done.
        before: Bytes done before this pass.
    """

    def __init__(self, handle: IO[bytes], show: Callable[[int], None], before: int) -> None:
        super().__init__()
        self._handle = handle
        self._show = show
        self._before = before

    def read(self, size: int = -1, /) -> bytes:
        data = self._handle.read(size)
        self._show((self._before + self._handle.tell()) >> 20)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        return self._handle.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
