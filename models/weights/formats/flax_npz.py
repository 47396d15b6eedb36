"""Weights that JAX programs keep as one array a path in a numpy archive (.npz)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from models.errors import UserError
from models.weights.formats.arrays import NoNumbers, read_array
from models.weights.formats.doors import Damaged, regular_file, start_of
from models.weights.formats.zips import check_unpacked, members, unpacked

# Where Flax's optimisers keep the weights; the rest of such a file is their own state, several times as large.
TARGET = "opt/target/"


def is_npz(path: Path) -> bool:
    """Say whether a file is a numpy archive: a zip of arrays and nothing else (a torch checkpoint is a zip too)."""
    if start_of(path, 2) != b"PK":
        return False
    try:
        with regular_file(path) as handle:
            names = list(members(handle))
    except (UserError, Damaged, OSError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path) -> dict[str, Tensor]:
    """Read the weights of a numpy archive; nothing in it is executed.

    Arguments:
        path: The archive; its arrays are called by paths like "opt/target/stage_0_input_conv_0/kernel".

    Returns:
        Tensors by path, in the layout of the file; of an optimiser's checkpoint only the weights, without the
        "opt/target/" in front.

    Raises:
        UserError: The file is damaged, or holds something else than arrays of numbers.
    """
    try:
        with regular_file(path) as handle:
            found = {name.removesuffix(".npy"): member for name, member in members(handle).items()}
            check_unpacked(found.values(), handle)
            names = [name for name in found if name.startswith(TARGET)] or list(found)
            return {name.removeprefix(TARGET): _tensor(unpacked(handle, found[name])) for name in names}
    except NoNumbers as error:
        raise UserError(f"{path} holds something else than arrays of numbers and was not loaded ({error})") from None
    except (Damaged, OSError) as error:
        raise UserError(f"not a whole numpy archive: {path} ({error}): download it again") from None


def _tensor(data: bytes) -> Tensor:
    array = read_array(data)
    try:
        return torch.from_numpy(array)
    except (TypeError, ValueError):
        raise NoNumbers(f"an array in it holds {array.dtype}") from None
