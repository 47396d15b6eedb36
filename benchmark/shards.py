"""Reading shards that anybody may have sent: a file against its digest, its columns, and images against theirs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.files import sha256_bytes, sha256_file

ROLES = ("degraded", "clean")

SETTLED = 2.0
"""Seconds since its last change after which a file counts as at rest: time stamps are coarse on some file systems."""

_known: dict[tuple[int, ...], str] = {}


def digest_once(path: Path) -> str:
    """Return the SHA-256 of a file, computed once in this process for as long as the file stays what it is.

    Raises:
        OSError: The file cannot be read.
    """
    before = _identity(path)
    if before in _known:
        return _known[before]
    digest = sha256_file(path)
    after = _identity(path)
    # A file that changed a moment ago may change again without a new time stamp.
    if before == after and time.time() - os.stat(path).st_ctime > SETTLED:
        _known[after] = digest
    return digest


def _identity(path: Path) -> tuple[int, ...]:
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def check_shard(path: Path, sha256: str) -> Path:
    """Compare a shard with the digest that its manifest holds, once in this process.

    Arguments:
        path: The shard.
        sha256: The digest that was written for it.

    Returns:
        The path, to be read.

    Raises:
        UserError: The file is gone, or not the one that was written.
    """
    folder = path.parent.parent
    try:
        found = digest_once(path)
    except OSError as error:
        raise UserError(
            f"shard {path} cannot be read ({error.strerror or error}): run bench build-dataset again"
        ) from None
    if found != sha256:
        raise UserError(
            f"shard {path} is not the file that its manifest describes (its sha256 differs): bench verify {folder} "
            "tells which pairs are damaged; the same bench build-dataset command again mends it, or fetch it anew"
        )
    return path


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


def check_image(row: Mapping[str, Any], role: str) -> None:
    """Compare one image of a row with its digest, see `check_images`."""
    data = (row[role] or {}).get("bytes") or b""
    if sha256_bytes(data) != row[f"{role}_sha256"]:
        raise UserError(
            f"{row['key']}: the bytes of its {role} image do not match their sha256: run bench verify on the dataset, "
            "and the same bench build-dataset command again to mend it"
        )
