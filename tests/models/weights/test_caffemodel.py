"""Caffe models: read by hand from files that the tests write by hand."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import UserError
from models.weights.formats.caffemodel import is_caffemodel, read_caffemodel, read_layers
from models.weights.reading import read_checkpoint

WEIGHT = np.arange(36, dtype=np.float32).reshape(4, 1, 3, 3) / 7
BIAS = np.array([1, -2, 3, 0.5], np.float32)


def number(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(key: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return number(key << 3) + number(content)
    return number(key << 3 | 2) + number(len(content)) + content


def blob(array: np.ndarray, *, layout: str = "shape") -> bytes:
    """A tensor as BlobProto: packed or one number a field, float64, or with the four sizes of old files."""
    flat = array.flatten()
    data = field(5, flat.astype("<f4").tobytes())
    if layout == "unpacked":
        data = b"".join(number(5 << 3 | 5) + struct.pack("<f", value) for value in flat)
    if layout == "double":
        data = field(8, flat.astype("<f8").tobytes())
    if layout == "old":
        sizes = (1,) * (4 - array.ndim) + array.shape
        return b"".join(field(i + 1, size) for i, size in enumerate(sizes)) + data
    return data + field(7, field(1, b"".join(number(size) for size in array.shape)))


def new_layer(name: str, *blobs: bytes) -> bytes:
    parts = field(1, name.encode()) + field(2, b"Convolution") + field(3, b"data")
    return field(100, parts + b"".join(field(7, part) for part in blobs))


def old_layer(name: str, *blobs: bytes) -> bytes:
    parts = field(2, b"data") + field(4, name.encode()) + field(5, 4)
    return field(2, parts + b"".join(field(6, part) for part in blobs))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("layout", ["shape", "unpacked", "double", "old"])
@pytest.mark.parametrize("layer", [new_layer, old_layer])
def test_tensors_come_back_from_every_layout(layer: object, layout: str, tmp_path: Path) -> None:
    make = new_layer if layer is new_layer else old_layer
    data = field(1, b"net") + make("data") + make("conv", blob(WEIGHT, layout=layout), blob(BIAS, layout=layout))
    path = written(tmp_path / "net.caffemodel", data)
    assert is_caffemodel(path)
    state = read_caffemodel(path)
    assert list(state) == ["conv.weight", "conv.bias"]
    torch.testing.assert_close(state["conv.weight"], torch.from_numpy(WEIGHT))
    torch.testing.assert_close(state["conv.bias"], torch.from_numpy(BIAS))
    assert [(part.name, part.type, len(part.blobs)) for part in read_layers(path)] == [
        ("data", "Convolution", 0),
        ("conv", "Convolution", 2),
    ]
    assert {key: value.tolist() for key, value in read_checkpoint(path).state.items()} == {
        key: value.tolist() for key, value in state.items()
    }


def test_every_truncation_is_refused_in_one_sentence_or_holds_whole_tensors(tmp_path: Path) -> None:
    data = field(1, b"net") + new_layer("a", blob(WEIGHT), blob(BIAS)) + new_layer("b", blob(BIAS))
    whole = read_caffemodel(written(tmp_path / "whole", data))
    messages: list[str] = []
    for end in range(len(data)):
        path = written(tmp_path / "part", data[:end])
        try:
            state = read_caffemodel(path)
        except UserError as error:
            messages.append(str(error))
            continue
        assert all(torch.equal(value, whole[key]) for key, value in state.items())
        assert len(state) < len(whole)
    assert len(messages) > 200
    assert all(message.startswith(str(tmp_path / "part")) and "\n" not in message for message in messages)


def test_flipped_bytes_never_end_in_anything_but_tensors_or_a_sentence(tmp_path: Path) -> None:
    data = field(1, b"net") + old_layer("a", blob(WEIGHT, layout="old")) + new_layer("b", blob(BIAS))
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(1500):
        broken = bytearray(data)
        for place in generator.integers(len(data), size=generator.integers(1, 4)):
            broken[place] = generator.integers(256)
        path = written(tmp_path / "broken", bytes(broken))
        is_caffemodel(path)
        try:
            read_caffemodel(path)
        except UserError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no layers"),
        (field(1, b"net"), "no layers"),
        (new_layer("a"), "layers without weights"),
        (new_layer("a", blob(BIAS)) * 2, "two of its layers are called 'a'"),
        (new_layer("a", field(5, bytes(8)) + field(7, field(1, number(3)))), "a tensor of 2 numbers has the shape 3"),
        (b"PK\x03\x04 a zip file", "not a caffemodel"),
    ],
)
def test_files_without_usable_tensors_are_refused(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_caffemodel(written(tmp_path / "file.caffemodel", data))


def test_other_files_are_not_taken_for_caffe_models(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "zip.pt")
    torch.save({"a": torch.zeros(3)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    written(tmp_path / "pickle", pickle.dumps([1]))
    written(tmp_path / "page", b"<!doctype html>")
    written(tmp_path / "text", b"\n\n10 lines of text\n")
    written(tmp_path / "safe", struct.pack("<Q", 0x120A) + b'{"a":{"dtype":"F32"}}' + b" " * 5000)
    written(tmp_path / "empty", b"")
    assert not any(is_caffemodel(path) for path in [*tmp_path.iterdir(), tmp_path, tmp_path / "missing"])
    with pytest.raises(UserError, match="weights not found"):
        read_caffemodel(tmp_path / "missing")
