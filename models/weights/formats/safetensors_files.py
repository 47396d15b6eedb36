"""Files of the format safetensors, whose header is checked word by word before anything that it says is believed."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from models.errors import UserError
from models.files import parse_json
from models.weights.formats.doors import Damaged, length, mapped, regular_file

HEADER = 10 << 20
"""How many bytes a header may have: enough for 100,000 tensors."""

MOST = 1 << 48
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tensor of a file.

    Arguments:
        name: Its name.
        dtype: What its numbers are.
        shape: Its sizes.
        begin: Where its bytes begin, counted from the end of the header.
        end: Where they end.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the header of a file says, after it was found to be true of the file.

    Arguments:
        start: Where the tensors' bytes begin in the file.
        entries: The tensors, in the order of their bytes.
        metadata: Texts that the writer put beside them.
    """

    start: int
    entries: tuple[Entry, ...]
    metadata: dict[str, str]


def read_header(handle: BinaryIO, path: Path) -> Header:
    """Read the header of an open file and compare it with the file.

    Raises:
        UserError: It is no header, or says what is not so.
    """
    try:
        return _header(handle, path)
    except Damaged as error:
        raise _refused(path, error) from None


def read_safetensors(handle: BinaryIO, path: Path) -> dict[str, Tensor]:
    """Return the tensors of an open file in the order of their bytes; they are mapped, not read.

    Raises:
        UserError: The file is damaged.
    """
    header = read_header(handle, path)
    whole = torch.frombuffer(mapped(handle, path), dtype=torch.uint8).untyped_storage()
    found = {}
    for entry in header.entries:
        data = whole[header.start + entry.begin : header.start + entry.end]
        found[entry.name] = torch.empty(0, dtype=entry.dtype).set_(data, 0, entry.shape, _strides(entry.shape))  # pyright: ignore[reportArgumentType]
    return found


def safetensors_metadata(path: Path, *, key: str = "bench") -> dict[str, Any]:
    """Return what `save_weights` stored beside the tensors of a file; an empty dict where others wrote it.

    Arguments:
        path: A safetensors file.
        key: Under which text of the metadata it lies.

    Returns:
        A dictionary with texts for keys. Its values may be anything that JSON can hold.

    Raises:
        UserError: The file is missing or damaged, or the text is no JSON object.
    """
    with regular_file(path) as handle:
        metadata = read_header(handle, path).metadata
    return parse_json(metadata[key], f"what {path} says about itself") if key in metadata else {}


def _header(handle: BinaryIO, path: Path) -> Header:
    whole = length(handle)
    handle.seek(0)
    (size,) = struct.unpack("<Q", handle.read(8).ljust(8, b"\xff") if whole >= 8 else b"\xff" * 8)
    if size > whole - 8:
        raise Damaged("it ends within its header")
    if size > HEADER:
        raise Damaged(f"its header would have {size} bytes, more than any known file")
    text = handle.read(size)
    if not text.startswith(b"{"):
        raise Damaged("its header is none")
    content = parse_json(text, f"the header of {path}")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Damaged("its metadata are not texts")
    entries = sorted((_entry(name, value) for name, value in content.items()), key=lambda one: (one.begin, one.end))
    place = 0
    for entry in entries:
        if entry.begin != place:
            raise Damaged("its tensors overlap, or have gaps between them")
        place = entry.end
    if place != whole - 8 - size:
        raise Damaged(f"its tensors have {place} bytes and the file {whole - 8 - size} for them")
    return Header(start=8 + size, entries=tuple(entries), metadata=metadata)


def _entry(name: str, value: Any) -> Entry:
    match value:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [begin, end]} if len(value) == 3:
            dtype = getattr(torch, DTYPES.get(kind, ""), None)
            numbers = all(type(one) is int and 0 <= one <= MOST for one in (*shape, begin, end))
            # Sizes are multiplied as torch does it, with no regard to a 0 among them.
            if dtype is not None and numbers and len(shape) <= 64 and math.prod(max(1, one) for one in shape) <= MOST:
                if math.prod(shape) * dtype.itemsize != end - begin:
                    raise Damaged(f"the tensor {name[:80]!a} in it has not the bytes of its shape")
                return Entry(name=name, dtype=dtype, shape=tuple(shape), begin=begin, end=end)
    raise Damaged(f"the tensor {name[:80]!a} in it is not described as the format says")


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(max(1, one) for one in shape[axis + 1 :]) for axis in range(len(shape)))


def _refused(path: Path, error: Damaged) -> UserError:
    return UserError(f"not a whole safetensors file: {path} ({error}): download or write it again")
