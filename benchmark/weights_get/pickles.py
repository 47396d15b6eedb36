"""Arrays out of pickles: of numpy, and of TorchScript archives, by unpicklers that can build nothing but arrays."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import UserError

RECONSTRUCT = np.zeros(0).__reduce__()[0]
ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
"""All that a pickle of numpy arrays in dictionaries may name."""

STORAGES = {"FloatStorage": np.float32, "DoubleStorage": np.float64, "HalfStorage": np.float16, "LongStorage": np.int64}


class _Arrays(pickle.Unpickler):
    """Builds numpy arrays of plain numbers and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of `ARRAYS`."""
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ARRAYS[module, name]


class _Module:
    """Stands for any scripted module: it keeps the attributes that it is given, and has no code."""

    attributes: dict[str, Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.attributes = dict(state)


class _Script(pickle.Unpickler):
    """Builds the modules of a TorchScript archive as trees of arrays; the archive's code is not even opened."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self.archive, self.root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        """Return what builds data: a module without code, an array, a list."""
        if module.split(".")[0] == "__torch__":
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _array
        if module == "torch" and name in STORAGES:
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return list
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        """Return the numbers of a storage, from its own member of the archive."""
        _, kind, key, _, count = pid
        return np.frombuffer(self.archive.read(f"{self.root}data/{key}"), dtype=STORAGES[kind])[:count]


def _array(storage: np.ndarray, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *rest: Any) -> np.ndarray:
    """Return the array that a storage holds under a shape and a stride; only whole, row-major ones are taken."""
    row_major = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    if shape != () and any(a != b for a, b, size in zip(stride, row_major, shape, strict=True) if size > 1):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} with stride {stride}")
    return storage[offset : offset + math.prod(shape)].reshape(shape)


def read_arrays(path: Path) -> dict[str, Any]:
    """Read a pickle of (nested) dictionaries of numpy arrays; nothing else that it may hold is built or run.

    Raises:
        UserError: The file is damaged, asks for something else, or is no dictionary.
    """
    try:
        with open(path, "rb") as handle:
            value = _Arrays(handle).load()
    except Exception as error:  # a broken pickle can raise nearly anything
        raise UserError(f"{path} is not a pickle of plain arrays ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a {type(value).__name__} instead of named arrays")
    return value


def read_script(path: Path) -> dict[str, np.ndarray]:
    """Read the parameters and buffers of a TorchScript archive by name; none of its code is loaded.

    Raises:
        UserError: The file is damaged or asks for something else than modules and tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            tree = _Script(archive, member.removesuffix("data.pkl")).load()
    except Exception as error:  # as above
        raise UserError(f"{path} is not a TorchScript archive of plain tensors ({error})") from None
    found: dict[str, np.ndarray] = {}
    _collect(tree, "", found)
    return found


def _collect(value: Any, name: str, found: dict[str, np.ndarray]) -> None:
    if isinstance(value, np.ndarray):
        found[name] = value
    elif isinstance(value, _Module):
        for key, inner in value.attributes.items():
            _collect(inner, f"{name}.{key}" if name else key, found)
