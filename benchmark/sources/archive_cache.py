"""Where the seek indices of compressed tars are kept, and how processes share them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.sources.members import Listing, Member
from benchmark.sources.samples import Rejected, SourceUnreachable
from models.files import sha256_file, sha256_json, write_text

VERSION = 1
"""Raised when the listing changes its form or the rules for names change; older files are then made anew."""


def cache_folder() -> Path:
    """Return the folder for what can be made again: `$BENCH_CACHE`, or `~/.cache/daclip-bench`."""
    return Path(os.environ.get("BENCH_CACHE") or "~/.cache/daclip-bench").expanduser().absolute()


def cached_paths(archive: Path) -> tuple[Path, Path]:
    """Return where the index and the listing of an archive are kept; another size or time is another archive.

    Raises:
        OSError: The archive is not there.
    """
    state = archive.stat()
    digest = sha256_json([VERSION, str(archive), state.st_size, state.st_mtime_ns])[:32]
    folder = cache_folder() / "archives"
    return folder / f"{digest}.gzidx", folder / f"{digest}.json"


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
        "members": [[member.inside, member.size, member.offset] for member in members],
        "rejected": [[one.key, one.reason] for one in rejected],
    }
    write_text(path, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def read_listing(path: Path) -> Listing | None:
    """Return the members of an archive, or None when no listing, or none that can be read, is there."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        members = [Member(str(inside), int(size), int(offset)) for inside, size, offset in value["members"]]
        return members, [Rejected(key=str(key), reason=str(reason)) for key, reason in value["rejected"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_whole(index: Path, listing: Path) -> bool:
    """Whether an index is there, byte for byte as it was made: the library that follows it trusts it blindly."""
    try:
        return json.loads(listing.read_text(encoding="utf-8"))["index_sha256"] == sha256_file(index)
    except (OSError, ValueError, KeyError, TypeError):
        return False
