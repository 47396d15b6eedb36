"""Checkpoints of torch, zip archives and the older streams, read without torch's own reader.

Torch trusts what a file says about its tensors: it sets aside as much memory as is asked for, and views a mapped file
under any sizes. Here each storage is looked up in the file first, and each tensor in its storage.
"""

from __future__ import annotations

import io
import mmap
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from models.weights.formats.doors import Damaged, mapped
from models.weights.formats.pickles import load
from models.weights.formats.torch_names import Storage, StorageKind, TorchNames, build
from models.weights.formats.zips import Member, members

ZIP = b"PK\x03\x04"
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TAR = 257


def read_torch(handle: BinaryIO, path: Path) -> Any:
    """Return what a checkpoint holds; the tensors of a zip archive are mapped, not read.

    Arguments:
        handle: The open file.
        path: Where it is, for messages.

    Raises:
        UserError: It cannot be mapped.
        Damaged: It is no checkpoint, asks for what is not data, or says of a tensor what is not so.
    """
    data = mapped(handle, path)
    if data[:4] == ZIP:
        return _Archive(handle, data).read()
    if data[_TAR : _TAR + 5] == b"ustar":
        raise Damaged("it is a tar archive of torch before 0.1.10, or of something else")
    return _Stream(data).read()


class _Archive:
    """A checkpoint as torch has written them since 1.6: a pickle and the storages, members of a zip archive."""

    def __init__(self, handle: BinaryIO, data: mmap.mmap) -> None:
        self._members = members(handle)
        self._data = data
        self._whole = torch.frombuffer(data, dtype=torch.uint8).untyped_storage()
        self._found: dict[str, Storage] = {}
        pickles = [name for name in self._members if name.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise Damaged("it is a zip archive of something else")
        self._root = pickles[0].removesuffix("data.pkl")
        if f"{self._root}constants.pkl" in self._members:
            raise Damaged("it is a TorchScript archive, which holds code: give the state dict")
        order = self._members.get(f"{self._root}byteorder")
        self._swapped = order is not None and self._bytes(order) == b"big"

    def read(self) -> Any:
        pickled = io.BytesIO(self._bytes(self._members[f"{self._root}data.pkl"]))
        return load(pickled, TorchNames(len(self._data)), stored=self._storage, build=build)

    def _bytes(self, member: Member) -> bytes:
        if member.deflated:
            raise Damaged("its members are compressed, which torch never does")
        data = self._data[member.start : member.start + member.size]
        # Torch can be told to write no checksums; they are 0 then.
        if member.crc not in (0, zlib.crc32(data)):
            raise Damaged("its pickle differs from its checksum")
        return data

    def _storage(self, pid: Any) -> Storage:
        match pid:
            case ("storage", StorageKind(dtype), str(key), str(), int(count)) if count >= 0:
                size = count * (dtype.itemsize if dtype else 1)
            case _:
                raise Damaged("a storage in it is not described as torch describes storages")
        member = self._members.get(f"{self._root}data/{key}")
        if member is None or member.deflated or member.size != size:
            raise Damaged(f"the storage {key[:40]!a} in it is missing, compressed, or has not {size} bytes")
        if key not in self._found:
            data = self._whole[member.start : member.start + size]
            if self._swapped:
                data = data.clone()
                data.byteswap(dtype or torch.uint8)
            self._found[key] = Storage(data, dtype)
        if self._found[key].dtype != dtype:
            raise Damaged(f"the storage {key[:40]!a} in it has two kinds of numbers")
        return self._found[key]


class _Stream:
    """A checkpoint as torch wrote them before 1.6: pickles one behind the other, then the storages."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._names = TorchNames(len(data))
        self._left = len(data)
        self._found: dict[str | int, Storage] = {}
        self._views: dict[str | int, Storage] = {}

    def read(self) -> Any:
        if load(self._data, self._names) != MAGIC or load(self._data, self._names) != PROTOCOL:
            raise Damaged("it is a pickle, but none that torch wrote")
        system = load(self._data, self._names)
        if not isinstance(system, dict) or system.get("little_endian") is False:
            raise Damaged("it was written by a machine of another kind")
        value = load(self._data, self._names, stored=self._storage, build=build)
        keys = load(self._data, self._names)
        if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(map(str, self._found)):
            raise Damaged("its storages are not those of its tensors")
        place = self._data.tell()
        for key in keys:
            place = self._fill(key, place)
        return value

    def _storage(self, pid: Any) -> Storage:
        match pid:
            case ("storage", StorageKind(torch.dtype() as dtype), str() | int() as key, str(), int(count), view):
                size = count * dtype.itemsize
            case _:
                raise Damaged("a storage in it is not described as torch describes storages")
        if key not in self._found:
            # Room is made for what the file has at most; the numbers come behind the pickle.
            self._left -= size
            if count < 0 or self._left < 0:
                raise Damaged(f"the storage {str(key)[:40]!a} in it would be larger than the file")
            self._found[key] = Storage(_room(size), dtype)
        found = self._found[key]
        if found.dtype != dtype or len(found.data) != size:
            raise Damaged(f"the storage {str(key)[:40]!a} in it is described in two ways")
        match view:
            case None:
                return found
            case (str() | int() as name, int(offset), int(part)) if 0 <= offset <= offset + part <= count:
                begin, end = offset * dtype.itemsize, (offset + part) * dtype.itemsize
                return self._views.setdefault(name, Storage(found.data[begin:end], dtype))
        raise Damaged("a view in it lies outside of its storage")

    def _fill(self, key: Any, place: int) -> int:
        storage = self._found.get(key)
        head = self._data[place : place + 8]
        if storage is None or storage.dtype is None or len(head) < 8:
            raise Damaged("it is cut off")
        size, place = len(storage.data), place + 8
        if struct.unpack("<q", head)[0] * storage.dtype.itemsize != size or place + size > len(self._data):
            raise Damaged(f"the storage {str(key)[:40]!a} in it is not all there")
        if size:
            # By numpy: torch would wake its threads for a copy.
            room = torch.empty(0, dtype=torch.uint8).set_(storage.data, 0, (size,), (1,))  # pyright: ignore[reportArgumentType]
            room.numpy()[:] = np.frombuffer(self._data, np.uint8, size, place)
        return place + size


def _room(size: int) -> torch.UntypedStorage:
    try:
        return torch.UntypedStorage(size)
    except RuntimeError:
        raise Damaged(f"there is no memory for a storage of {size} bytes") from None
