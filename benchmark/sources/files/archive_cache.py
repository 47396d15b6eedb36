"""Where the seek indices of compressed tars are kept, and how processes share them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmark.sources.files.members import Listing, Member
from benchmark.sources.samples import Rejected, SourceUnreachable
from models.errors import UserError
from models.files import read_sealed, sealed, sha256_file, sha256_json, write_text

VERSION = 2
"""Raised when the listing changes its form or the rules for names change; older files are then made anew."""

SAMPLES = 16
SAMPLE_BYTES = 1 << 14
"""An archive is known by so many blocks of it, beside its size and time: the whole would have to be read."""


def cache_folder() -> Path:
    """Return the folder for what can be made again: `$BENCH_CACHE`, or `~/.cache/daclip-bench`."""
    return Path(os.environ.get("BENCH_CACHE") or "~/.cache/daclip-bench").expanduser().absolute()


def cached_paths(archive: Path) -> tuple[Path, Path]:
    """Return where the index and the listing of an archive are kept; other sizes, times or bytes are another archive.

    Raises:
        OSError: The archive is not there, or cannot be read.
    """
    state = archive.stat()
    digest = sha256_json([VERSION, str(archive), state.st_size, state.st_mtime_ns, _sample(archive, state.st_size)])[
        :32
    ]
    folder = cache_folder() / "archives"
    return folder / f"{digest}.gzidx", folder / f"{digest}.json"


def _sample(archive: Path, size: int) -> str:
    """Return a digest of the head of a file, of its tail, which holds its checksum, and of blocks between them."""
    digest = hashlib.sha256()
    with open(archive, "rb") as handle:
        for place in (*(size * number // SAMPLES for number in range(SAMPLES)), max(0, size - SAMPLE_BYTES)):
            handle.seek(place)
            digest.update(handle.read(SAMPLE_BYTES))
    return digest.hexdigest()


def forget(archive: Path) -> None:
    """Remove the index and the listing of an archive that is not what they describe."""
    with suppress(OSError):
        index, listing = cached_paths(archive)
        listing.unlink(missing_ok=True)
        index.unlink(missing_ok=True)


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """Hold an index for this process: others that want to make it wait, and then find it made.

    Raises:
        UserError: The cache folder cannot be written.
    """
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        with open(index.with_suffix(".lock"), "w") as handle:
            with suppress(OSError):  # a file system without locks: the work may be done twice, nothing breaks
                fcntl.flock(handle, fcntl.LOCK_EX)
                for left in index.parent.glob(f".{index.stem}.*.partial"):  # of a process that was killed
                    left.unlink(missing_ok=True)
            yield
    except OSError as error:
        reason = error.strerror or error
        raise SourceUnreachable(
            f"the cache folder {index.parent} cannot be written ({reason}): set BENCH_CACHE to one that can"
        ) from None


def write_listing(path: Path, listing: Listing, index: Path) -> None:
    """Write the members of an archive beside its index, last, so that a listing means an index."""
    members, rejected = listing
    value = {
        "index_sha256": sha256_file(index),
        "members": [[member.inside, member.size, member.offset, member.check] for member in members],
        "rejected": [[one.key, one.reason] for one in rejected],
    }
    write_text(path, json.dumps(sealed(value), ensure_ascii=False, separators=(",", ":")))


def read_listing(path: Path) -> Listing | None:
    """Return the members of an archive, or None when no listing, or none that is as it was written, is there."""
    value = _read(path)
    try:
        members = [Member(inside, size, offset, check) for inside, size, offset, check in value["members"]]
        return members, [Rejected(key=key, reason=reason) for key, reason in value["rejected"]]
    except (ValueError, KeyError, TypeError):
        return None


def is_whole(index: Path, listing: Path) -> bool:
    """Whether an index is there, byte for byte as it was made: the library that follows it trusts it blindly."""
    try:
        return _read(listing).get("index_sha256") == sha256_file(index)
    except OSError:
        return False


def _read(listing: Path) -> dict[str, Any]:
    try:
        return read_sealed(listing, "listing", remedy="it is made anew")
    except (UserError, OSError):
        return {}
