"""What the pickle of a torch checkpoint may name: tensors, the numbers of numpy, and plain containers."""

from __future__ import annotations

import argparse
import math
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.weights.formats.doors import Damaged
from models.weights.formats.pickles import ForeignName, Maker, hashable

SPARE, TIMES = 64 << 20, 4
"""What all tensors together may have: so many bytes, and so many times those that the file has for them. Tensors that
share their numbers count each."""

MOST = 1 << 48
"""The largest size of a dimension; a real one is far smaller, and products of such sizes stay exact in torch."""

_STORAGES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexDouble": torch.complex128,
    "ComplexFloat": torch.complex64,
}
_TYPES = ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")
_PLAIN = {*_STORAGES.values(), *(getattr(torch, name) for name in _TYPES)}


@dataclass(frozen=True)
class StorageKind:
    """The kind of numbers of a storage; None when it is bytes, and the tensor says what they are."""

    dtype: torch.dtype | None


@dataclass(frozen=True)
class Storage:
    """The numbers of a storage.

    Arguments:
        data: Their bytes.
        dtype: What they are; None when the tensor says it.
    """

    data: torch.UntypedStorage
    dtype: torch.dtype | None


class _Number:
    """A numpy dtype on its way: its byte order comes after it."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


class TorchNames:
    """The names that a checkpoint may use.

    Arguments:
        size: How many bytes the file has.
    """

    def __init__(self, size: int) -> None:
        self._left = SPARE + TIMES * size
        self._known = _VALUES | {name: Maker(make) for name, make in _MAKERS.items()}
        tensors = {"_rebuild_tensor": self._tensor, "_rebuild_tensor_v2": self._tensor, "_rebuild_tensor_v3": self._v3}
        self._known |= {f"torch._utils.{name}": Maker(make) for name, make in tensors.items()}

    def __call__(self, name: str) -> Any:
        """Return what a name stands for, see `models.weights.formats.pickles.load`."""
        try:
            return self._known[name]
        except KeyError:
            raise ForeignName(name) from None

    def _tensor(self, arguments: tuple[Any, ...]) -> Tensor:
        match arguments:
            case (Storage(data, torch.dtype() as dtype), offset, size, stride):
                return self._view(data, dtype, offset, size, stride, False)
            case (Storage(data, torch.dtype() as dtype), offset, size, stride, bool(grad), _, *rest) if not any(rest):
                return self._view(data, dtype, offset, size, stride, grad)
        raise Damaged("a tensor in it is not described as torch describes tensors")

    def _v3(self, arguments: tuple[Any, ...]) -> Tensor:
        match arguments:
            case (Storage(data, _), offset, size, stride, bool(grad), _, torch.dtype() as dtype, *rest) if not any(
                rest
            ):
                return self._view(data, dtype, offset, size, stride, grad)
        raise Damaged("a tensor in it is not described as torch describes tensors")

    def _view(self, data: Any, dtype: torch.dtype, offset: Any, size: Any, stride: Any, grad: bool) -> Tensor:
        if dtype not in _PLAIN:
            raise Damaged(f"it holds a tensor of {dtype}, which is none of plain numbers")
        sizes, strides = _sizes(size), _sizes(stride)
        count, step = math.prod(sizes), dtype.itemsize
        if len(sizes) != len(strides) or not _whole(offset) or math.prod(max(1, one) for one in sizes) > MOST:
            raise Damaged("a tensor in it has sizes that cannot be")
        end = offset + (1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True)) if count else 0)
        if end * step > len(data):
            raise Damaged(f"a tensor in it has {len(data)} bytes and needs {end * step}")
        self._left -= count * step
        if self._left < 0:
            raise Damaged("its tensors are together far larger than the file")
        if grad and not (dtype.is_floating_point or dtype.is_complex):
            raise Damaged(f"a tensor of {dtype} in it asks for gradients")
        return torch.empty(0, dtype=dtype).set_(data, offset, sizes, strides).requires_grad_(grad)  # pyright: ignore[reportArgumentType]


def build(value: Any, state: Any) -> None:
    """Give a number's kind its byte order, or a parameter of old files its gradient, see `pickles.load`."""
    match value, state:
        case _Number(), (_, "<" | ">" | "=" | "|" as order, *_):
            value.dtype = value.dtype.newbyteorder(order)
        case nn.Parameter(), (bool(grad), _, _) if value.is_floating_point():
            value.requires_grad_(grad)
        case _:
            raise Damaged("its pickle gives a state to what has none")


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > 64 or not all(_whole(one) for one in value):
        raise Damaged("a tensor in it has sizes that are none")
    return tuple(value)


def _parameter(arguments: tuple[Any, ...]) -> nn.Parameter:
    match arguments:
        case (Tensor() as data, *rest) if len(rest) <= 3:
            grad = rest[0] if rest else True
            plain = isinstance(grad, bool) and (data.is_floating_point() or data.is_complex() or not grad)
            if plain:
                return nn.Parameter(data.detach(), grad)
    raise Damaged("a parameter in it is none")


def _from_type(arguments: tuple[Any, ...]) -> Any:
    """Make a tensor that had attributes; they are dropped."""
    match arguments:
        case (Maker() as maker, _, tuple() as inner, _):
            return maker.make(inner)
    raise Damaged("a tensor in it is not described as torch describes tensors")


def _ordered(arguments: tuple[Any, ...]) -> OrderedDict[Any, Any]:
    pairs = _one(arguments, list) if arguments else []
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise Damaged("a dictionary in it has no pairs")
    return OrderedDict((hashable(key), value) for key, value in pairs)


def _scalar(arguments: tuple[Any, ...]) -> np.generic:
    match arguments:
        case (_Number() as kind, bytes(data)) if len(data) == kind.dtype.itemsize:
            return np.frombuffer(data, kind.dtype)[0]
    raise Damaged("a number of numpy in it is none")


def _number(arguments: tuple[Any, ...]) -> _Number:
    match arguments:
        case (str(code), *_) if re.fullmatch(r"b1|[iu][1248]|f[248]|c(8|16)", code):
            return _Number(np.dtype(code))
    raise Damaged("it holds a number of numpy that is no plain one")


def _encoded(arguments: tuple[Any, ...]) -> bytes:
    """Return bytes as old pickles write them: as the text that they are in Latin-1. No other codec is looked for."""
    match arguments:
        case (str(text), "latin1" | "latin-1"):
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                pass
    raise Damaged("it holds bytes in an unknown form")


def _one(arguments: tuple[Any, ...], kind: type) -> Any:
    if len(arguments) != 1 or not isinstance(arguments[0], kind):
        raise Damaged(f"its pickle makes something else than a {kind.__name__}")
    return arguments[0]


def _bytearray(arguments: tuple[Any, ...]) -> bytearray:
    return bytearray(_one(arguments, bytes) if len(arguments) == 1 else _encoded(arguments) if arguments else b"")


def _complex(arguments: tuple[Any, ...]) -> complex:
    match arguments:
        case (float(real), float(imaginary)):
            return complex(real, imaginary)
    raise Damaged("a complex number in it is none")


def _namespace(arguments: tuple[Any, ...]) -> argparse.Namespace:
    if arguments:
        raise Damaged("its options are none")
    return argparse.Namespace()


_MAKERS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections.OrderedDict": _ordered,
    "collections.Counter": lambda arguments: dict(_one(arguments, dict)) if arguments else {},
    "argparse.Namespace": _namespace,
    "_codecs.encode": _encoded,
    "numpy.dtype": _number,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "torch.Size": lambda arguments: _sizes(_one(arguments, tuple)),
    "torch.device": lambda arguments: ":".join(map(str, arguments)),
    "torch.nn.parameter.Parameter": _parameter,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _from_type,
}
for _builtins in ("builtins", "__builtin__"):
    _MAKERS |= {
        f"{_builtins}.set": lambda arguments: {hashable(one) for one in _one(arguments, list)},
        f"{_builtins}.bytearray": _bytearray,
        f"{_builtins}.complex": _complex,
    }

_VALUES: dict[str, Any] = {
    **{f"torch.{name}Storage": StorageKind(dtype) for name, dtype in _STORAGES.items()},
    **{f"torch.cuda.{name}Storage": StorageKind(dtype) for name, dtype in _STORAGES.items()},
    "torch.storage.UntypedStorage": StorageKind(None),
    # Kinds of numbers by name, and what the type of a tensor with attributes is called.
    **{str(dtype): dtype for dtype in _PLAIN},
    "torch.Tensor": None,
}
