"""A weights file, opened: what it holds is read once, digested once, and is of the bytes that were digested."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from models.errors import UserError
from models.weights.files import files_of, parts_in, weights_digest, weights_file, weights_size
from models.weights.metadata import read_metadata
from models.weights.noted import check_noted, noted_digest
from models.weights.reading import Checkpoint, is_safetensors, read_checkpoint
from models.weights.records import recorded_digest

BLOCK = 1 << 23
TICK = 0.02
"""Seconds within which two changes of a file may leave the same time on it."""
BEYOND = re.compile(r"(?:^|\.)[1-9]\d{4,}(?:\.|$)|[1-9]\d{6,}")
"""Numbers in names of tensors that no network has: blocks from ten thousand on, and all from a million on."""


class OpenedWeights:
    """Weights that somebody gave, ours or others', as data: nothing in them is executed, no name in them imported.

    Each part is read when it is first asked for. Time, size and place of the file are compared around each reading, so
    that what was digested is what was loaded. The weights of a finished run are compared with its manifest first.

    Arguments:
        path: A weights file or the folder of a release, as `weights_file` returns it.
        progress: Called with the number of bytes digested.
    """

    def __init__(self, path: Path, *, progress: Callable[[int], None] = lambda done: None) -> None:
        self.path, self._progress = path, progress
        # Of a release in parts some may be missing, which is told when it is read.
        self._in_parts = path.is_dir()
        self._checkpoints: dict[tuple[str, ...], Checkpoint] = {}
        self._stamp = self._settled()

    @property
    def kind(self) -> str:
        """How the weights are kept: "folder", "safetensors", or "checkpoint" for all that others write."""
        return "folder" if self.path.is_dir() else "safetensors" if is_safetensors(self.path) else "checkpoint"

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What `save_weights` stored beside the tensors; empty for files written by others."""
        found = read_metadata(self.path)
        self.require_unchanged()
        return found

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the weights, see `weights_digest`.

        Raises:
            UserError: The weights are of a finished run, and not those that it wrote; or they were fetched, and are not
                what was noted at first use.
        """
        found = weights_digest(self.path) if self.path.is_dir() else self._digest_of_file()
        self.require_unchanged()
        self.require_recorded(found)
        check_noted(self.path, found)
        return found

    @property
    def size(self) -> int:
        """Their length in bytes."""
        return weights_size(self.path)

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors by name, on the CPU, mapped from the file."""
        return self.checkpoint().state

    def checkpoint(self, nesting: Sequence[str] = ()) -> Checkpoint:
        """Read the tensors and what lies beside them.

        Arguments:
            nesting: Keys under which the tensors may lie, tried before the usual ones.

        Raises:
            UserError: The file is damaged, changed since it was opened or since its run wrote it, or holds no tensors.
        """
        key = tuple(nesting)
        if key not in self._checkpoints:
            if recorded_digest(self.path) is not None or noted_digest(self.path) is not None:
                _ = self.digest
            parts = parts_in(self.path) if self.path.is_dir() else ()
            found = read_checkpoint(self.path, nesting=nesting, parts=parts)
            self.require_unchanged()
            _require_numbers(found, self.path)
            self._checkpoints[key] = found
        return self._checkpoints[key]

    def forget(self) -> None:
        """Let go of the tensors, once they are in a module; digest and metadata stay."""
        self._checkpoints.clear()

    def require_unchanged(self) -> None:
        """Refuse weights that were written to, or replaced, since they were opened; tensors are mapped, not copied.

        Raises:
            UserError: They were.
        """
        if self._stamp != self._look():
            raise UserError(
                f"{self.path} changed while it was read: wait until nothing writes to it, and run this again"
            )

    def require_recorded(self, digest: str) -> None:
        """Compare a digest of the weights with what their run has recorded, if they are of a finished run.

        Raises:
            UserError: It is another one.
        """
        recorded = recorded_digest(self.path)
        if recorded is not None and recorded != digest:
            raise UserError(
                f"{self.path} is not what the run wrote: its sha256 is {digest}, in manifest.json {recorded}; put the "
                "file back from a copy, or delete manifest.json and train again"
            )

    def _digest_of_file(self) -> str:
        digest, done = hashlib.sha256(), 0
        with open(self.path, "rb", buffering=0) as handle:
            if _told_by(self.path, os.fstat(handle.fileno())) not in self._stamp:
                self.require_unchanged()
            while block := handle.read(BLOCK):
                digest.update(block)
                done += len(block)
                self._progress(done)
        return digest.hexdigest()

    def _look(self) -> list[tuple[Any, ...]]:
        """Return what tells the files from others, and from themselves after a change."""
        try:
            return [
                _told_by(file, os.stat(file)) for file in files_of(self.path) if not self._in_parts or file.exists()
            ]
        except OSError:
            raise UserError(f"{self.path} went away while it was read: run this again") from None

    def _settled(self) -> list[tuple[Any, ...]]:
        """Look at the files once any later change will leave another time on them."""
        stamp = self._look()
        newest = max((one[-1] for one in stamp), default=0) / 1e9
        if 0 <= (age := time.time() - newest) < TICK:
            time.sleep(TICK - age)
            stamp = self._look()
        return stamp


def _told_by(file: Path, status: os.stat_result) -> tuple[Any, ...]:
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (file.name, status.st_dev, status.st_ino, status.st_size, *times)


def open_weights(source: Path | OpenedWeights) -> OpenedWeights:
    """Open the weights that a path means: a file, a run folder, the folder of a release; what is open stays as it is.

    Raises:
        UserError: There are none, or it is a pipe, a device or a file of the system.
    """
    return source if isinstance(source, OpenedWeights) else OpenedWeights(weights_file(source))


def load_state(path: Path, *, nesting: Sequence[str] = ()) -> dict[str, Tensor]:
    """Read the tensors of a weights file of any kind, see `models.weights.reading`.

    A checkpoint may nest them under "params_ema", "params", "state_dict" and the like, and their names may begin with
    "module." (the first decides); both are removed. Nothing that a file contains is executed.

    Arguments:
        path: A weights file, or a folder that `weights_file` returned.
        nesting: Keys under which the tensors may lie, tried before the usual ones.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        UserError: The file is missing or damaged, asks for code to be run, or holds no tensors.
    """
    return read_weights(path, nesting=nesting).state


def read_weights(path: Path, *, nesting: Sequence[str] = ()) -> Checkpoint:
    """Read what `load_state` reads, with what lies beside the tensors."""
    return open_weights(path).checkpoint(nesting)


def _require_numbers(found: Checkpoint, path: Path) -> None:
    # Depths are read off names, and networks are built as deep as they say.
    for name in found.state:
        if BEYOND.search(name):
            raise UserError(f"{path} names a tensor {name[:80]!r}: no network has so many parts, the file is damaged")
