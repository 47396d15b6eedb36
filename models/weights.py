"""Weights files: read without running code found in them, written as safetensors with one line of metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.checkpoints.reading import is_safetensors, read_checkpoint
from models.errors import UserError
from models.files import atomic_path

FILE_NAME = "weights.safetensors"


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
    begin with "module." (the first decides); both are removed. Nothing that a file contains is executed.

    Arguments:
        path: A file ending in .safetensors, or a torch checkpoint (.pth, .pt, .ckpt, .bin).

    Returns:
        Tensors by name, on the CPU.

    Raises:
        UserError: The file is missing or damaged, asks for code to be run, or holds no tensors.
    """
    return read_checkpoint(path).state


def _aliases(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return, for every name that is a second name of a tensor, the first name of the same tensor."""
    first: dict[object, str] = {}
    aliases = {}
    for key, value in state.items():
        # Tensors without data have no address; of those only one and the same object counts.
        place = id(value) if value.is_meta else (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
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
        try:
            save_file(tensors, partial, metadata={"bench": text})
        except SafetensorError as error:
            raise UserError(f"{path} could not be written ({error}): check the disk and run it again") from None


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what `save_weights` stored beside the tensors; an empty dict for files written by others.

    Raises:
        UserError: The file is missing or damaged.
    """
    if not path.is_file():
        raise UserError(f"weights not found: {path}")
    if not is_safetensors(path):
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
    module.load_state_dict(fitted(module, state, name), strict=True)


def fitted(module: nn.Module, state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors under all names that a module has for them, in its order, once they have been seen to fit.

    Arguments:
        module: What they are meant for; it may be on the device "meta".
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
    return {key: full[key] for key in own}
