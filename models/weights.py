"""Weights files: read without running code found in them, written as safetensors with one line of metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from models.checkpoints.reading import Checkpoint, is_safetensors, missing_parts, read_checkpoint, safetensors_metadata
from models.errors import UserError
from models.files import atomic_path, sha256_file, sha256_json
from models.networks import NETWORKS

FILE_NAME = "weights.safetensors"


def weights_file(path: Path) -> Path:
    """Return the weights that `path` means: itself, or `weights.safetensors` when it is a run folder.

    A folder that is a release in itself, in several files or as a graph model, is returned as it is.

    Raises:
        UserError: There is no such file.
    """
    if path.is_dir():
        if (path / FILE_NAME).is_file():
            return path / FILE_NAME
        if parts_in(path) or (path / "model.json").is_file():
            return path
        raise UserError(f"the folder {path} holds no {FILE_NAME}: give a run that has finished, or a weights file")
    if not path.is_file():
        raise UserError(f"weights not found: {path}")
    return path


def parts_in(folder: Path) -> tuple[str, ...]:
    """Return the file names of the release in several files that a folder holds, wholly or in part; else nothing."""

    def present(parts: Sequence[str]) -> int:
        return len(parts) - len(missing_parts(folder, parts))

    best = max((card.parts for card in NETWORKS.values()), key=present, default=())
    return best if present(best) else ()


def weights_digest(path: Path) -> str:
    """Return the SHA-256 of weights: of the file, or for a folder of the list of its files' names and digests."""
    if path.is_dir():
        return sha256_json([[file.name, sha256_file(file)] for file in _files(path)])
    return sha256_file(path)


def weights_size(path: Path) -> int:
    """Return the length of weights in bytes; 0 when there are none."""
    return sum(file.stat().st_size for file in _files(path)) if path.is_dir() else _length(path)


def load_state(path: Path, *, nesting: Sequence[str] = ()) -> dict[str, Tensor]:
    """Read the tensors of a weights file of any kind, see `models.checkpoints.reading`.

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
    return read_checkpoint(path, nesting=nesting, parts=parts_in(path) if path.is_dir() else ())


def _files(folder: Path) -> list[Path]:
    """Return the files that weights in a folder consist of."""
    named = [folder / name for name in parts_in(folder)]
    return sorted(named or [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")])


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


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
    if not path.exists():
        raise UserError(f"weights not found: {path}")
    if not is_safetensors(path):
        return {}
    return safetensors_metadata(path)


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
