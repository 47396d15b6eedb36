"""Torch checkpoints and safetensors files, told apart by content and read without running code found in them."""

from __future__ import annotations

import _codecs
import math
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.errors import UserError

NESTING = ("params_ema", "params", "state_dict")
PREFIX = "module."
# Training checkpoints keep the learning rate as a numpy scalar. These build numbers and nothing else.
SCALAR = np.float64(0).__reduce__()[0]
NUMBERS = [
    np.dtype,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_)},
    _codecs.encode,
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
]
# What people have in place of weights when a download went wrong, by how it begins.
MISTAKEN = {
    b"<": "a web page",
    b"version https://git-lfs": "the pointer of a large file that was not fetched",
    b"{": "a text file",
}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file holds.

    Arguments:
        state: Tensors by name, without `module.` in front, on the CPU; mapped from the file, not read.
        nesting: The key under which they lay, or None when they were the whole file.
        prefixed: Whether their names began with `module.`.
        facts: Numbers and words beside them (`epoch`, `name`, `iter`, ...).
        left: What else lay beside them, by key: the bytes of the tensors in it.
    """

    state: dict[str, Tensor]
    nesting: str | None
    prefixed: bool
    facts: dict[str, int | float | str]
    left: dict[str, int]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the tensors of a weights file, whatever its suffix; nothing that it contains is executed.

    Raises:
        UserError: The file is missing or damaged, asks for code to be run, or holds no tensors.
    """
    if not path.is_file():
        raise UserError(f"weights not found: {path}")
    with open(path, "rb") as handle:
        start = handle.read(64)
    for begin, what in MISTAKEN.items():
        if start.lstrip().startswith(begin):
            raise UserError(f"{path} is {what}, not weights: download the file itself")
    if is_safetensors(path):
        try:
            content: Any = load_file(path)
        except SafetensorError as error:
            raise UserError(f"not a whole safetensors file: {path} ({error})") from None
    else:
        content = _load_torch(path)
    return _unpack(content, path)


def is_safetensors(path: Path) -> bool:
    """Say whether a file begins as a safetensors file does; by its suffix when it is too short to tell."""
    with open(path, "rb") as handle:
        start = handle.read(9)
    if start[:2] in (b"PK", b"\x80\x02"):
        return False
    return start[8:9] == b"{" or path.suffix == ".safetensors"


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


def _unpack(content: Any, path: Path) -> Checkpoint:
    nesting = None
    around: Mapping[Any, Any] = {}
    for key in NESTING:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            around, content, nesting = content, content[key], key
            break
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} holds no state dict")
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise UserError(f"{path} holds more than tensors ({', '.join(others[:3])}) and none of {', '.join(NESTING)}")
    # The authors' loader looks at the first name alone.
    prefixed = str(next(iter(content))).startswith(PREFIX)
    beside = {str(key): value for key, value in around.items() if key != nesting}
    plain = {key: _plain(value) for key, value in beside.items() if isinstance(value, int | float | str | np.generic)}
    return Checkpoint(
        state={str(key).removeprefix(PREFIX) if prefixed else str(key): value for key, value in content.items()},
        nesting=nesting,
        prefixed=prefixed,
        facts=plain,
        left={key: tensor_bytes(value) for key, value in beside.items() if key not in plain},
    )


def _plain(value: Any) -> int | float | str:
    value = value.item() if isinstance(value, np.generic) else value
    # JSON knows neither NaN nor infinity, nor what else a numpy scalar may hold.
    return value if isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)) else str(value)


def tensor_bytes(value: Any) -> int:
    """Return the bytes of all tensors inside nested dictionaries and lists; a tensor with two names counts twice."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(tensor_bytes(part) for part in value.values())
    return sum(tensor_bytes(part) for part in value) if isinstance(value, list | tuple) else 0
