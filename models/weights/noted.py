"""Digests of weights whose authors publish none: noted beside the file at first use, and compared ever after."""

from __future__ import annotations

import re
from pathlib import Path

from models.errors import UserError
from models.files import read_sealed, write_sealed


def note_of(path: Path) -> Path:
    """Return where the digest of a file of weights is noted."""
    return path.with_name(f".{path.name}.digest.json")


def noted_digest(path: Path) -> str | None:
    """Return the SHA-256 that was noted for a file of weights, or None when none was.

    Raises:
        UserError: The note was changed since.
    """
    note = note_of(path)
    if not note.is_file():
        return None
    remedy = f"if you trust {path.name}, remove {note} and run this again"
    told = read_sealed(note, "noted digest of weights", remedy=remedy)
    digest = told.get("sha256")
    known = set(told) == {"file", "sha256"} and told["file"] == path.name
    if not known or not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise UserError(f"{note} is no digest of {path.name}: {remedy}")
    return digest


def note_digest(path: Path, sha256: str) -> None:
    """Note the SHA-256 of a file of weights."""
    write_sealed(note_of(path), {"file": path.name, "sha256": sha256})


def check_noted(path: Path, sha256: str) -> bool:
    """Compare the SHA-256 of a file of weights with the one that was noted; return whether one was.

    Raises:
        UserError: The file is another one than at first use, or the note was changed.
    """
    noted = noted_digest(path)
    if noted not in (None, sha256):
        raise UserError(
            f"{path} is damaged or another file: its sha256 begins with {sha256[:16]} and the one that was noted at "
            f"first use, in {note_of(path)}, with {noted[:16]}; remove the file and fetch it again"
        )
    return noted is not None
