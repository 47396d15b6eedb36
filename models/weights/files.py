"""Which files weights are: one file, a run's, or those of a release in a folder; nothing but files on a disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from models.errors import UserError
from models.files import sha256_file, sha256_json
from models.networks import NETWORKS
from models.weights.reading import missing_parts

FILE_NAME = "weights.safetensors"
KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
# Their files are made up by the system when they are read: some have no end, some wait.
SYSTEM = (Path("/proc"), Path("/sys"))


def weights_file(path: Path) -> Path:
    """Return the weights that `path` means: itself, or `weights.safetensors` when it is a run folder.

    A folder that is a release in itself, in several files or as a graph model, is returned as it is.

    Raises:
        UserError: There is no such file, or it is a pipe, a device or a file of the system.
    """
    if os.path.isdir(path):  # unlike the method, it takes names that no system knows
        if (path / FILE_NAME).exists():
            return regular_file(path / FILE_NAME)
        if parts_in(path) or (path / "model.json").is_file():
            return path
        raise UserError(f"the folder {path} holds no {FILE_NAME}: give a run that has finished, or a weights file")
    return regular_file(path)


def regular_file(path: Path, what: str = "weights") -> Path:
    """Return a path when a file lies there that can be read to its end.

    Raises:
        UserError: There is none, or it is something else.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        raise UserError(f"{what} not found: {path}") from None
    for is_kind, kind in KINDS:
        if is_kind(mode):
            raise UserError(f"{path} is {kind}, not a file: give the {what} as a file on a disk")
    if not stat.S_ISREG(mode):
        raise UserError(f"{what} not found: {path} is no file")
    if any(path.resolve().is_relative_to(folder) for folder in SYSTEM):
        raise UserError(f"{path} is made up by the system: give the {what} as a file on a disk")
    return path


def parts_in(folder: Path) -> tuple[str, ...]:
    """Return the file names of the release in several files that a folder holds, wholly or in part; else nothing."""

    def present(parts: Sequence[str]) -> int:
        return len(parts) - len(missing_parts(folder, parts))

    best = max((card.parts for card in NETWORKS.values()), key=present, default=())
    return best if present(best) else ()


def files_of(path: Path) -> list[Path]:
    """Return the files that weights consist of: itself, or those in the folder of a release."""
    if not path.is_dir():
        return [path]
    named = [path / name for name in parts_in(path)]
    return sorted(named or [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")])


def weights_digest(path: Path) -> str:
    """Return the SHA-256 of weights: of the file, or for a folder of the list of its files' names and digests."""
    if path.is_dir():
        return sha256_json([[file.name, sha256_file(file)] for file in files_of(path)])
    return sha256_file(path)


def weights_size(path: Path) -> int:
    """Return the length of weights in bytes; 0 when there are none."""
    return sum(file.stat().st_size for file in files_of(path) if file.is_file())
