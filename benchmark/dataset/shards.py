"""Reading shards that anybody may have sent: a file against its digest, its columns, and images against theirs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.dataset.schema import RECORDS, TOLD_COLUMNS, wrong_with
from models.errors import UserError
from models.files import sha256_bytes, sha256_file, sha256_json

ROLES = ("degraded", "clean")

MAX_ROWS = 1_000_000
"""A shard of more rows is none: a few bytes of Parquet can promise more than any memory holds."""

SETTLED = 2.0
"""Seconds since its last change after which a file counts as at rest: time stamps are coarse on some file systems."""

DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError)
"""What reading damaged Parquet raises: damage may sit in the pages, the text, or the values themselves."""

_known: dict[tuple[int, ...], str] = {}
_sound: set[tuple[int, ...]] = set()


def digest_once(path: Path) -> str:
    """Return the SHA-256 of a file, computed once in this process for as long as the file stays what it is.

    Raises:
        OSError: The file cannot be read.
    """
    before = _identity(path)
    if before in _known:
        return _known[before]
    digest = sha256_file(path)
    if _at_rest(path, before):
        _known[before] = digest
    return digest


def _identity(path: Path) -> tuple[int, ...]:
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _at_rest(path: Path, before: tuple[int, ...]) -> bool:
    # A file that changed a moment ago may change again without a new time stamp.
    return _identity(path) == before and time.time() - before[-1] / 1e9 > SETTLED


def check_shard(path: Path, sha256: str) -> Path:
    """Compare a shard with the digest that its manifest holds, and look at its rows, once in this process.

    Arguments:
        path: The shard.
        sha256: The digest that was written for it.

    Returns:
        The path, to be read.

    Raises:
        UserError: The file is gone, not the one that was written, or its columns are not those of a dataset.
    """
    try:
        identity = _identity(path)
        found = digest_once(path)
    except OSError as error:
        raise UserError(
            f"shard {path} cannot be read ({error.strerror or error}): run the same bench build-dataset command again"
        ) from None
    if found != sha256:
        raise _other(path)
    if identity not in _sound:
        told_rows(path)
        if _at_rest(path, identity):
            _sound.add(identity)
    return path


def open_shard(path: Path, *, sha256: str) -> pq.ParquetFile:
    """Open a shard after `check_shard`."""
    return pq.ParquetFile(check_shard(path, sha256))


def told_rows(path: Path, *, columns: str | None = None) -> list[dict[str, Any]]:
    """Return all rows of a shard without the bytes of their images.

    Arguments:
        path: The shard.
        columns: The digest that its manifest holds for them, if any.

    Raises:
        UserError: The shard cannot be read, its columns are not those of a dataset, a value cannot stand in one, or the
            rows are not those that were written.
    """
    split = path.name.split("-")[0]
    try:
        with pq.ParquetFile(path) as opened:
            if not opened.schema_arrow.equals(RECORDS):
                raise UserError(f"the columns of {path} are not those of a dataset: {_remedy(path)}")
            if opened.metadata.num_rows > MAX_ROWS:
                raise UserError(f"shard {path} has more than {MAX_ROWS} rows: {_remedy(path)}")
            rows = opened.read(columns=TOLD_COLUMNS).to_pylist()
    except DAMAGE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"shard {path} cannot be read ({first}): {_remedy(path)}") from None
    for row in rows:
        reason = wrong_with(row)
        if reason is None and row["split"] != split:
            reason = f"it says split {row['split']!a:.300} but lies in {split}"
        if reason is not None:
            raise UserError(f"{row['key']!a:.300} in {path}: {reason}: {_remedy(path)}")
    if columns is not None and columns_digest(rows) != columns:
        raise _other(path)
    return rows


def columns_digest(rows: list[dict[str, Any]]) -> str:
    """Return the digest of the rows of a shard without the bytes of their images; the manifest holds it."""
    names = [name for name in TOLD_COLUMNS if "." not in name]
    return sha256_json([[*(row[name] for name in names), *(row[role]["path"] for role in ROLES)] for row in rows])


def check_images(row: Mapping[str, Any]) -> None:
    """Compare the bytes of the images in a row with the digests that the row holds for them.

    Arguments:
        row: A row of a shard with its key; each image that is among its columns comes with its `_sha256`.

    Raises:
        UserError: The bytes are not those that were stored; the key is named.
    """
    for role in ROLES:
        if role in row:
            check_image(row, role)


def checked_ahead(batches: Iterable[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of rows whose images are those of their digests; the next one is compared meanwhile.

    Arguments:
        batches: Rows as `check_images` takes them; each batch is made in the calling thread.

    Raises:
        UserError: An image is not the one that was stored.
    """

    def check(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            check_images(row)
        return rows

    with ThreadPoolExecutor(1, thread_name_prefix="digests") as pool:
        before: Future[list[dict[str, Any]]] | None = None
        for rows in batches:
            now = pool.submit(check, rows)
            if before is not None:
                yield before.result()
            before = now
        if before is not None:
            yield before.result()


def check_image(row: Mapping[str, Any], role: str) -> None:
    """Compare one image of a row with its digest, see `check_images`."""
    data = (row[role] or {}).get("bytes") or b""
    if sha256_bytes(data) != row[f"{role}_sha256"]:
        raise UserError(
            f"{row['key']!r}: the bytes of its {role} image do not match their sha256: run bench verify on the "
            "dataset, and the same bench build-dataset command again, which mends it"
        )


def _other(path: Path) -> UserError:
    return UserError(f"shard {path} is not the file that its manifest describes (its digest differs): {_remedy(path)}")


def _remedy(path: Path) -> str:
    return (
        f"bench verify {path.parent.parent} tells what is damaged, the same bench build-dataset command again mends it"
    )
