"""Arrays out of pickles, of numpy and of TorchScript archives: they are read as data and can build nothing else."""

from __future__ import annotations

import io
import math
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from models.errors import UserError
from models.weights.formats.doors import Damaged, mapped, regular_file
from models.weights.formats.pickles import ForeignName, Maker, load
from models.weights.formats.zips import Member, check_unpacked, members, unpacked

STORAGES = {"FloatStorage": np.float32, "DoubleStorage": np.float64, "HalfStorage": np.float16, "LongStorage": np.int64}


class _Kind:
    """A numpy dtype on its way: its byte order comes after it."""

    def __init__(self, code: str) -> None:
        self.dtype = np.dtype(code)


class _Array:
    """A numpy array on its way: its numbers come after it."""

    def __init__(self) -> None:
        self.array: np.ndarray | None = None


class _Module(dict[str, Any]):
    """Stands for any scripted module: it keeps the attributes that it is given, and has no code."""


def _kind(arguments: tuple[Any, ...]) -> _Kind:
    match arguments:
        case (str(code), *_) if re.fullmatch(r"b1|[iu][1248]|f[248]", code):
            return _Kind(code)
    raise Damaged("it holds an array of something else than plain numbers")


_RECONSTRUCT = Maker(lambda arguments: _Array())
ARRAYS: dict[str, Any] = {
    "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy._core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy.ndarray": None,
    "numpy.dtype": Maker(_kind),
}
"""All that a pickle of numpy arrays in dictionaries may name."""


def _name(name: str) -> Any:
    try:
        return ARRAYS[name]
    except KeyError:
        raise ForeignName(name) from None


def _state(value: Any, state: Any) -> None:
    """Give an array its numbers, or a kind of numbers its byte order."""
    match value, state:
        case _Kind(), (_, "<" | ">" | "=" | "|" as order, *_):
            value.dtype = value.dtype.newbyteorder(order)
        case _Array(), (int(), tuple(shape), _Kind() as kind, bool(fortran), bytes(data)):
            sizes = all(type(one) is int and one >= 0 for one in shape) and len(shape) <= 32
            if not sizes or math.prod(max(1, one) for one in shape) > 1 << 48:
                raise Damaged("an array in it has a shape that cannot be")
            if math.prod(shape) * kind.dtype.itemsize != len(data):
                raise Damaged("an array in it has not the bytes of its shape")
            value.array = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")
        case _Module(), dict():
            value.update((key, inner) for key, inner in state.items() if isinstance(key, str))
        case _:
            raise Damaged("its pickle gives a state to what has none")


def read_arrays(path: Path) -> dict[str, Any]:
    """Read a pickle of (nested) dictionaries of numpy arrays; nothing else that it may hold is built or run.

    Raises:
        UserError: The file is damaged, asks for something else, or is no dictionary.
    """
    with regular_file(path) as handle:
        try:
            value = _finished(load(mapped(handle, path), _name, build=_state))
        except Damaged as error:
            raise UserError(f"{path} is not a pickle of plain arrays ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a {type(value).__name__} instead of named arrays")
    return value


def _finished(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.array is None:
            raise Damaged("an array in it has no numbers")
        return value.array
    if isinstance(value, dict):
        return {key: _finished(inner) for key, inner in value.items()}
    return value


class _Script:
    """Builds the modules of a TorchScript archive as trees of arrays; the archive's code is not even opened."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle, self.members = handle, members(handle)
        check_unpacked(self.members.values(), handle)
        found = [name for name in self.members if name.split("/")[1:] == ["data.pkl"]]
        if len(found) != 1:
            raise Damaged("it is a zip archive of something else")
        self.root, self.pickled = found[0].removesuffix("data.pkl"), self.members[found[0]]
        self.storages: dict[str, np.ndarray] = {}

    def read(self) -> Any:
        """Return the tree."""
        stream = io.BytesIO(unpacked(self.handle, self.pickled))
        return load(stream, self.name, stored=self.storage, build=_state)

    def name(self, name: str) -> Any:
        """Return what builds data: a module without code, an array, a list."""
        if name.split(".")[0] == "__torch__":
            return Maker(lambda arguments: _Module())
        if name == "torch._utils._rebuild_tensor_v2":
            return Maker(_array)
        if name.removeprefix("torch.") in STORAGES:
            return name.removeprefix("torch.")
        if name == "collections.OrderedDict":
            return Maker(_ordered)
        if name.startswith("torch.jit._pickle.build_"):
            return Maker(_list)
        raise ForeignName(name)

    def storage(self, pid: Any) -> np.ndarray:
        """Return the numbers of a storage, from its own member of the archive."""
        match pid:
            case ("storage", str(kind), str(key), str(), int(count)) if kind in STORAGES:
                dtype = np.dtype(STORAGES[kind])
            case _:
                raise Damaged("a storage in it is not described as torch describes storages")
        member: Member | None = self.members.get(f"{self.root}data/{key}")
        if member is None or member.size != count * dtype.itemsize:
            raise Damaged(f"the storage {key[:40]!a} in it is missing, or has another size")
        if key not in self.storages:
            self.storages[key] = np.frombuffer(unpacked(self.handle, member), dtype)
        if self.storages[key].dtype != dtype:
            raise Damaged(f"the storage {key[:40]!a} in it has two kinds of numbers")
        return self.storages[key]


def _ordered(arguments: tuple[Any, ...]) -> OrderedDict[Any, Any]:
    if arguments:
        raise Damaged("a dictionary in it is none")
    return OrderedDict()


def _list(arguments: tuple[Any, ...]) -> list[Any]:
    match arguments:
        case (list(items),):
            return items
    raise Damaged("a list in it is none")


def _array(arguments: tuple[Any, ...]) -> np.ndarray:
    """Return the array that a storage holds under a shape and a stride; only whole, row-major ones are taken."""
    match arguments:
        case (np.ndarray() as storage, int(offset), tuple(shape), tuple(stride), *_):
            pass
        case _:
            raise Damaged("a tensor in it is not described as torch describes tensors")
    if not all(type(one) is int and 0 <= one < 1 << 48 for one in (offset, *shape, *stride)) or len(shape) > 32:
        raise Damaged("a tensor in it has a shape that cannot be")
    row_major = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    if len(shape) != len(stride) or any(a != b for a, b, n in zip(stride, row_major, shape, strict=True) if n > 1):
        raise Damaged(f"a tensor of shape {shape} with stride {stride}"[:200])
    if offset + math.prod(shape) > len(storage) or math.prod(max(1, one) for one in shape) > 1 << 48:
        raise Damaged("a tensor in it lies outside of its storage")
    return storage[offset : offset + math.prod(shape)].reshape(shape)


def read_script(path: Path) -> dict[str, np.ndarray]:
    """Read the parameters and buffers of a TorchScript archive by name; none of its code is loaded.

    Raises:
        UserError: The file is damaged or asks for something else than modules and tensors.
    """
    with regular_file(path) as handle:
        try:
            tree = _Script(handle).read()
        except Damaged as error:
            raise UserError(f"{path} is not a TorchScript archive of plain tensors ({error})") from None
    found: dict[str, np.ndarray] = {}
    _collect(tree, "", found)
    return found


def _collect(value: Any, name: str, found: dict[str, np.ndarray]) -> None:
    if isinstance(value, np.ndarray):
        found[name] = value
    elif isinstance(value, _Module):
        for key, inner in value.items():
            _collect(inner, f"{name}.{key}" if name else key, found)
