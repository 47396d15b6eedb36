"""Folders that are put back as they were after each hostile case."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def state_of(folder: Path, *, without: Path | None = None) -> dict[str, str | bytes | None]:
    """Return all that lies below a folder: bytes of files, targets of links, None for folders.

    Arguments:
        folder: The folder.
        without: A folder below it that is left out.
    """
    found: dict[str, str | bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        if without is not None and path.is_relative_to(without):
            continue
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


@contextmanager
def put_back(folder: Path) -> Iterator[None]:
    """Put a folder back as it was when the block ends."""
    before = state_of(folder)
    try:
        yield
    finally:
        restore(folder, before)


def restore(folder: Path, before: dict[str, str | bytes | None]) -> None:
    """Make a folder what `state_of` found."""
    for name, value in state_of(folder).items():
        path = folder / name
        if name not in before or type(before[name]) is not type(value):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for name, value in before.items():
        path = folder / name
        if value is None:
            path.mkdir(parents=True, exist_ok=True)
        elif isinstance(value, bytes) and (not path.is_file() or path.read_bytes() != value):
            path.write_bytes(value)
        elif isinstance(value, str) and not path.is_symlink():
            path.symlink_to(value)
