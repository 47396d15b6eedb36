"""Weights files of every kind, told apart by content and read without running code found in them."""

from __future__ import annotations

import _codecs
import argparse
import importlib
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from models.checkpoints.nesting import NESTING as NESTING
from models.checkpoints.nesting import Checkpoint as Checkpoint
from models.checkpoints.nesting import tensor_bytes as tensor_bytes
from models.checkpoints.nesting import unpack
from models.errors import UserError

# Training checkpoints keep the learning rate as a numpy scalar, and their options. These build data and nothing else.
SCALAR = np.float64(0).__reduce__()[0]
NUMBERS = [
    np.dtype,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_)},
    _codecs.encode,
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    argparse.Namespace,
]
# Kinds of files with a reader of their own: its module, how it is asked whether a path is of its kind, and the reader.
READERS = (
    ("models.checkpoints.tfjs", "is_tfjs", "read_tfjs"),
    ("models.checkpoints.flax_npz", "is_npz", "read_npz"),
    ("models.checkpoints.caffemodel", "is_caffemodel", "read_caffemodel"),
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
    return unpack(_read_file(path), path, nesting=nesting)


def is_safetensors(path: Path) -> bool:
    """Say whether a file begins as a safetensors file does; by its suffix when it is too short to tell."""
    if not path.is_file():
        return False
    with open(path, "rb") as handle:
        start = handle.read(9)
    if start[:2] in (b"PK", b"\x80\x02"):
        return False
    return start[8:9] == b"{" or path.suffix == ".safetensors"


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


def _read_file(path: Path) -> Any:
    with open(path, "rb") as handle:
        start = handle.read(64)
    for begin, what in MISTAKEN.items():
        if start.lstrip().startswith(begin):
            raise UserError(f"{path} is {what}, not weights: download the file itself")
    if is_safetensors(path):
        try:
            return load_file(path)
        except SafetensorError as error:
            raise UserError(f"not a whole safetensors file: {path} ({error})") from None
    return _load_torch(path)


def _load_torch(path: Path) -> Any:
    try:
        # Mapped, not read: the optimiser's half of a training checkpoint is then never touched.
        with torch.serialization.safe_globals(NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        reason = str(error).split("\n")
        asked = next((line.strip() for line in reason if "GLOBAL" in line or "Unsupported" in line), "")
        if "Unsupported operand" in asked:
            raise UserError(
                f"{path} is not a torch checkpoint, is damaged or contains pickled code, and was not loaded ({asked})"
            ) from None
        if asked:
            raise UserError(
                f"{path} contains pickled code and was not loaded ({asked}): convert it where you trust it"
            ) from None
        raise UserError(f"not a torch checkpoint, or a damaged one: {path}") from None
    except (
        SafetensorError,
        RuntimeError,
        EOFError,
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        IndexError,
        OSError,
    ) as error:
        raise UserError(f"not a torch checkpoint, or a damaged one: {path} ({type(error).__name__})") from None
