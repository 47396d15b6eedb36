"""The digests of weights whose authors publish none, noted beside them at first use and compared ever after."""

from __future__ import annotations

import re
from pathlib import Path

from models.errors import UserError
from models.files import read_sealed, write_sealed


def record_of(path: Path) -> Path:
    """Return where the digest of a file of weights is noted."""
    return path.with_name(f".{path.name}.digest.json")


def recorded(path: Path) -> str:
    """Return the SHA-256 that was noted for a file of weights, or "" when it was never used.

    Raises:
        UserError: The note was changed since.
    """
    record = record_of(path)
    if not record.is_file():
        return ""
    remedy = f"if you trust {path.name}, remove {record} and run this again"
    told = read_sealed(record, "digest of weights", remedy=remedy)
    digest = told.get("sha256")
    known = set(told) == {"file", "sha256"} and told["file"] == path.name
    if not known or not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise UserError(f"{record} is no digest of {path.name}: {remedy}")
    return digest


def record(path: Path, sha256: str) -> None:
    """Note the SHA-256 of a file of weights."""
    write_sealed(record_of(path), {"file": path.name, "sha256": sha256})
