"""Weights that JAX programs keep as one array a path in a numpy archive (.npz)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.errors import UserError

# Where Flax's optimisers keep the weights; the rest of such a file is their own state, several times as large.
TARGET = "opt/target/"


def is_npz(path: Path) -> bool:
    """Say whether a file is a numpy archive: a zip of arrays and nothing else (a torch checkpoint is a zip too)."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
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
        with np.load(path, allow_pickle=False) as archive:
            names = [name for name in archive.files if name.startswith(TARGET)] or archive.files
            return {name.removeprefix(TARGET): torch.from_numpy(archive[name]) for name in names}
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} holds something else than arrays of numbers and was not loaded ({error})") from None
    except (zipfile.BadZipFile, EOFError, OSError, KeyError) as error:
        raise UserError(f"not a whole numpy archive: {path} ({error}): download it again") from None
