"""Weights files: read without running code found in them, written as safetensors with one line of metadata."""

from __future__ import annotations

import _codecs
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.errors import UserError
from models.files import atomic_path

FILE_NAME = "weights.safetensors"
NESTING = ("params_ema", "params", "state_dict")
# Training checkpoints keep the learning rate as a numpy scalar. These build numbers and nothing else.
SCALAR = np.float64(0).__reduce__()[0]
NUMBERS = [
    np.dtype,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_)},
    _codecs.encode,
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
]


def weights_file(path: Path) -> Path:
    """Return the weights file that `path` means: itself, or `weights.safetensors` when it is a run folder.

    Raises:
        UserError: There is no such file.
    """
    if path.is_dir():
        if not (path / FILE_NAME).is_file():
            raise UserError(f"the folder {path} holds no {FILE_NAME}: give a run that has finished, or a weights file")
        return path / FILE_NAME
    if not path.is_file():
        raise UserError(f"weights not found: {path}")
    return path


def load_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file or of a torch checkpoint.

    A checkpoint may nest them under "params_ema", "params" or "state_dict" (tried in this order), and their names may
    begin with "module."; both are removed. Nothing that a file contains is executed.

    Arguments:
        path: A file ending in .safetensors, or a torch checkpoint (.pth, .pt, .ckpt, .bin).

    Returns:
        Tensors by name, on the CPU.

    Raises:
        UserError: The file is missing or damaged, asks for code to be run, or holds no tensors.
    """
    if not path.is_file():
        raise UserError(f"weights not found: {path}")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise UserError(f"not a whole safetensors file: {path} ({error})") from None
    try:
        # Mapped, not read: the optimiser's half of a training checkpoint is then never touched.
        with torch.serialization.safe_globals(NUMBERS):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        reason = str(error).split("\n")
        asked = next((line.strip() for line in reason if "GLOBAL" in line or "Unsupported" in line), "")
        if asked:
            raise UserError(
                f"{path} contains pickled code and was not loaded ({asked}): convert it where you trust it"
            ) from None
        raise UserError(f"not a torch checkpoint, or a damaged one: {path}") from None
    except (RuntimeError, EOFError, zipfile.BadZipFile, ValueError, KeyError, IndexError, OSError) as error:
        raise UserError(f"not a torch checkpoint, or a damaged one: {path} ({type(error).__name__})") from None
    return _flatten(content, path)


def _flatten(content: Any, path: Path) -> dict[str, Tensor]:
    for key in NESTING:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} holds no state dict")
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise UserError(f"{path} holds more than tensors ({', '.join(others[:3])}) and none of {', '.join(NESTING)}")
    prefixed = all(key.startswith("module.") for key in content)
    return {key.removeprefix("module.") if prefixed else key: value for key, value in content.items()}


def _aliases(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return, for every name that is a second name of a tensor, the first name of the same tensor."""
    first: dict[tuple[object, ...], str] = {}
    aliases = {}
    for key, value in state.items():
        place = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        if value.numel() and first.setdefault(place, key) != key:
            aliases[key] = first[place]
    return aliases


def save_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write tensors and metadata as safetensors, atomically; the same content always gives the same bytes.

    A tensor with several names is stored once, under the first; `load_into` gives it its other names back.

    Arguments:
        path: The file to write.
        state: Tensors by name.
        metadata: Anything that JSON can hold.
    """
    aliases = _aliases(state)
    tensors = {key: state[key].detach().cpu().contiguous() for key in sorted(state) if key not in aliases}
    # The format writes several entries in an order that changes from run to run; one entry has no order.
    text = json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as partial:
        save_file(tensors, partial, metadata={"bench": text})


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what `save_weights` stored beside the tensors; an empty dict for files written by others.

    Raises:
        UserError: The file is missing or damaged.
    """
    if not path.is_file():
        raise UserError(f"weights not found: {path}")
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {}).get("bench", "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(f"not a whole safetensors file: {path} ({error})") from None


def load_into(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load tensors into a module; every name and every shape must agree.

    Arguments:
        module: Receives the values.
        state: Tensors by name; of a tensor with several names one is enough.
        name: What the tensors are, for the error message.

    Raises:
        UserError: Names are missing or left over, or shapes differ.
    """
    own = module.state_dict(keep_vars=True)
    full = dict(state)
    for key, first in _aliases(own).items():
        if key not in full and first in full:
            full[key] = full[first]
        elif first not in full and key in full:
            full[first] = full[key]
    found = {
        "missing": [key for key in own if key not in full],
        "unexpected": [key for key in full if key not in own],
        "of another shape": [
            f"{key} {tuple(full[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in full and full[key].shape != own[key].shape
        ],
    }
    wrong = [f"{len(k)} {what} ({', '.join(k[:3])}{', ...' if len(k) > 3 else ''})" for what, k in found.items() if k]
    if wrong:
        raise UserError(f"{name} do not fit {type(module).__name__}: {'; '.join(wrong)}")
    module.load_state_dict(full, strict=True)
