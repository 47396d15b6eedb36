"""Weights of Caffe networks, read from the bytes of a `.caffemodel` file without Caffe or a protocol-buffer library."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.errors import UserError
from models.weights.formats.doors import content, regular_file, start_of
from models.weights.formats.protobuf import BYTES, VARINT, DamagedMessage, fields, packed

# Fields of caffe.proto. A network: their wire types; its layers are 100, or 2 in files of 2014 (V1).
_NETWORK = {1: BYTES, 2: BYTES, 3: BYTES, 4: VARINT, 5: VARINT, 6: BYTES, 7: VARINT, 8: BYTES, 100: BYTES}
_LAYERS = {100: {"name": 1, "type": 2, "blobs": 7}, 2: {"name": 4, "type": 5, "blobs": 6}}
# A layer begins with its name, its type, or what goes in or comes out.
_LAYER_BEGINS = (b"\x0a", b"\x12", b"\x1a", b"\x22")
# V1 layers have numbers for types; these keep tensors.
_V1_TYPES = {4: "Convolution", 14: "InnerProduct", 39: "Deconvolution"}
# A tensor: its numbers as float32 or float64, and its shape; before there was one, four sizes were fields 1 to 4.
_DATA = {5: np.dtype("<f4"), 8: np.dtype("<f8")}
_SHAPE = 7
# How much of a file is looked at to tell what it is: what is in front of the first layer is short.
_START = 1 << 16
# What no network has, and a file of a few bytes a layer could ask for by the million.
_MOST_LAYERS, _MOST_BLOBS, _MOST_AXES, _LARGEST = 10_000, 16, 32, 1 << 31


@dataclass(frozen=True, kw_only=True)
class CaffeLayer:
    """A layer of a Caffe network.

    Arguments:
        name: Its name.
        type: What it computes, e.g. "Convolution"; of old files the number where the word is not known.
        blobs: Its tensors, weights first.
    """

    name: str
    type: str
    blobs: tuple[Tensor, ...]


def read_caffemodel(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a Caffe network.

    Arguments:
        path: A `.caffemodel` file, of the present or the V1 layout.

    Returns:
        Tensors called `<layer>.weight` and `<layer>.bias`, further ones `<layer>.blob2` and so on, in the order of the
        layers. A bias has one dimension, whatever the file says.

    Raises:
        UserError: The file is missing, damaged or no caffemodel, or it holds no tensors.
    """
    state: dict[str, Tensor] = {}
    for layer in read_layers(path):
        for i, blob in enumerate(layer.blobs):
            kind = ("weight", "bias")[i] if i < 2 else f"blob{i}"
            key = f"{layer.name}.{kind}"
            if key in state:
                raise UserError(f"{path} is not a usable caffemodel: two of its layers are called {layer.name!r}")
            state[key] = blob.flatten() if kind == "bias" else blob
    if not state:
        raise UserError(f"{path} holds layers without weights: give the trained .caffemodel")
    return state


def read_layers(path: Path) -> list[CaffeLayer]:
    """Read the layers of a Caffe network in their order, with those that have no tensors.

    Raises:
        UserError: The file is missing, damaged or no caffemodel.
    """
    with regular_file(path) as handle:
        data = content(handle, path)
    try:
        layers = list(_layers(memoryview(data)))
    except DamagedMessage as error:
        raise UserError(f"{path} is not a caffemodel, or a damaged one ({error}): download it again") from None
    if not layers:
        raise UserError(f"{path} is not a caffemodel, or a damaged one (it holds no layers): download it again")
    return layers


def is_caffemodel(path: Path) -> bool:
    """Say whether a file begins as a caffemodel does: fields of a network, then a layer with a name or an input."""
    data = memoryview(start_of(path, _START))
    try:
        for number, wire, value in fields(data, cut=True):
            if _NETWORK.get(number) != wire:
                return False
            if number in _LAYERS and isinstance(value, memoryview):
                return bytes(value[:1]) in _LAYER_BEGINS
    except DamagedMessage:
        pass
    return False


def _layers(data: memoryview) -> Iterator[CaffeLayer]:
    found = 0
    for number, wire, value in fields(data):
        if number not in _NETWORK:
            raise DamagedMessage(f"a network has no field {number}")
        if number in _LAYERS and wire == BYTES and isinstance(value, memoryview):
            found += 1
            if found > _MOST_LAYERS:
                raise DamagedMessage(f"it holds more than {_MOST_LAYERS} layers")
            yield _layer(value, _LAYERS[number])


def _layer(data: memoryview, numbers: dict[str, int]) -> CaffeLayer:
    name = kind = ""
    blobs: list[Tensor] = []
    for number, _, value in fields(data):
        if number == numbers["name"] and isinstance(value, memoryview):
            name = _text(value)
        elif number == numbers["type"]:
            kind = _V1_TYPES.get(value, str(value)) if isinstance(value, int) else _text(value)
        elif number == numbers["blobs"] and isinstance(value, memoryview):
            if len(blobs) == _MOST_BLOBS:
                raise DamagedMessage(f"a layer of it holds more than {_MOST_BLOBS} tensors")
            blobs.append(_blob(value))
    return CaffeLayer(name=name, type=kind, blobs=tuple(blobs))


def _blob(data: memoryview) -> Tensor:
    old = [1, 1, 1, 1]
    shape: list[int] | None = None
    kind: np.dtype | None = None
    # All in one field, or each in one of its own.
    numbers = bytearray()
    for number, _, value in fields(data):
        if number in (1, 2, 3, 4) and isinstance(value, int):
            # Where there is a shape as well, it comes later and wins.
            old[number - 1], shape = value, shape or old
        elif number == _SHAPE and isinstance(value, memoryview):
            shape = _sizes(value)
        elif number in _DATA and isinstance(value, memoryview):
            if len(value) % _DATA[number].itemsize:
                raise DamagedMessage("it ends within a number")
            if kind is not None and kind != _DATA[number]:
                raise DamagedMessage("a tensor of it has numbers of two kinds")
            kind = _DATA[number]
            numbers += value
    try:
        with np.errstate(over="raise"):
            array = np.frombuffer(numbers, kind or np.float32).astype(np.float32)
    except FloatingPointError:
        raise DamagedMessage("a number of it is too large for a tensor of float32") from None
    shape = [len(array)] if shape is None else shape
    if math.prod(shape) != len(array) or max(shape, default=0) > _LARGEST:
        sizes = "x".join(str(size) for size in shape[:8])
        raise DamagedMessage(f"a tensor of {len(array)} numbers has the shape {sizes}")
    return torch.from_numpy(array).reshape(shape)


def _sizes(data: memoryview) -> list[int]:
    sizes: list[int] = []
    for number, _, value in fields(data):
        for size in packed(value) if number == 1 else ():
            sizes.append(size)
            if len(sizes) > _MOST_AXES:
                raise DamagedMessage(f"a tensor of it has more than {_MOST_AXES} sizes")
    return sizes


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise DamagedMessage("a name in it is no text") from None
