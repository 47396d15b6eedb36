"""Weights files of every kind, told apart by content and read without running code found in them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.weights.formats.doors import Damaged as Damaged
from models.weights.formats.doors import length, start_of
from models.weights.formats.doors import regular_file as regular_file
from models.weights.formats.pickles import ForeignName
from models.weights.formats.safetensors_files import read_safetensors
from models.weights.formats.safetensors_files import safetensors_metadata as safetensors_metadata
from models.weights.formats.torch_files import read_torch
from models.weights.nesting import NESTING as NESTING
from models.weights.nesting import Checkpoint as Checkpoint
from models.weights.nesting import tensor_bytes as tensor_bytes
from models.weights.nesting import unpack

# Kinds of files with a reader of their own: its module, how it is asked whether a path is of its kind, and the reader.
READERS = (
    ("models.weights.formats.tfjs", "is_tfjs", "read_tfjs"),
    ("models.weights.formats.flax_npz", "is_npz", "read_npz"),
    ("models.weights.formats.caffemodel", "is_caffemodel", "read_caffemodel"),
)
# What people have in place of weights when a download went wrong, by how it begins.
MISTAKEN = {
    b"<": "a web page",
    b"version https://git-lfs": "the pointer of a large file that was not fetched",
    b"{": "a text file",
}


def read_checkpoint(path: Path, *, nesting: Sequence[str] = (), parts: Sequence[str] = ()) -> Checkpoint:
    """Read the tensors of a weights file, whatever its suffix; nothing that it contains is executed.

    Known are safetensors, torch checkpoints, Caffe models, Flax archives (.npz) and the graph models of TensorFlow.js.

    Arguments:
        path: The file; the folder of a release that keeps its network in several files; the folder or the package of a
            graph model.
        nesting: Keys under which the tensors may lie, tried before the usual ones.
        parts: The file names that a folder must hold; a tensor of a part is called `<stem>.<name>`.

    Raises:
        UserError: The file is missing or damaged, asks for code to be run, or holds no tensors.
    """
    if path.is_dir() and parts:
        return _read_parts(path, parts, nesting)
    if not path.exists():
        raise UserError(f"weights not found: {path}")
    for place, ask, read in READERS:
        module = importlib.import_module(place)
        if getattr(module, ask)(path):
            return unpack(getattr(module, read)(path), path, nesting=nesting)
    if path.is_dir():
        raise UserError(f"the folder {path} holds no weights that are known: give the weights file")
    return unpack(read_content(path), path, nesting=nesting)


def read_content(path: Path) -> Any:
    """Return what a safetensors file or a torch checkpoint holds, told apart by content; nothing in it is executed.

    Arguments:
        path: The file.

    Returns:
        Tensors by name, or whatever data a checkpoint was made of. Tensors lie on the CPU; those of the present formats
        are mapped from the file.

    Raises:
        UserError: The file is missing or damaged, is something else, or asks for code to be run.
    """
    with regular_file(path) as handle:
        start = handle.read(min(64, length(handle)))
        for begin, what in MISTAKEN.items():
            if start.lstrip().startswith(begin):
                raise UserError(f"{path} is {what}, not weights: download the file itself")
        if _begins_safely(start, path):
            return read_safetensors(handle, path)
        try:
            return read_torch(handle, path)
        except ForeignName as error:
            raise UserError(
                f"{path} contains pickled code and was not loaded ({error}): convert it where you trust it"
            ) from None
        except Damaged as error:
            raise UserError(f"not a torch checkpoint, or a damaged one: {path} ({error})") from None


def is_safetensors(path: Path) -> bool:
    """Say whether a file begins as a safetensors file does; by its suffix when it is too short to tell."""
    return path.is_file() and _begins_safely(start_of(path, 9), path)


def missing_parts(folder: Path, parts: Sequence[str]) -> list[str]:
    """Return which files of a release in several parts a folder lacks."""
    return [name for name in parts if not (folder / name).is_file()]


def _read_parts(folder: Path, parts: Sequence[str], nesting: Sequence[str]) -> Checkpoint:
    if missing := missing_parts(folder, parts):
        raise UserError(
            f"the folder {folder} lacks {', '.join(missing)}: the weights of this network are the files "
            f"{', '.join(parts)}, all in one folder"
        )
    found = {Path(name).stem: read_checkpoint(folder / name, nesting=nesting) for name in parts}
    first = next(iter(found.values()))
    return Checkpoint(
        state={f"{stem}.{key}": value for stem, part in found.items() for key, value in part.state.items()},
        nesting=first.nesting,
        prefixed=first.prefixed,
        facts={f"{stem}.{key}": value for stem, part in found.items() for key, value in part.facts.items()},
        left={f"{stem}.{key}": value for stem, part in found.items() for key, value in part.left.items()},
    )


def _begins_safely(start: bytes, path: Path) -> bool:
    if start[4:9] == b"\0\0\0\0{":
        return True  # even where the length of its header begins like a pickle: 640 does
    if start[:2] in (b"PK", b"\x80\x02"):
        return False
    return start[8:9] == b"{" or path.suffix == ".safetensors"
