"""Folders as the tests compare them."""

from __future__ import annotations

from pathlib import Path

from models.files import sha256_file


def tree_digest(folder: Path) -> dict[str, str]:
    """Return the digest of every file, hidden ones too, but for the lock that a writer leaves behind."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): sha256_file(path) for path in files}
