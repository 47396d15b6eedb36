"""Caffe models with changed bytes and lying lengths."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from container_trials import refused_or_data
from test_caffemodel import (  # pyright: ignore[reportMissingImports]
    BIAS,
    WEIGHT,
    blob,
    field,
    new_layer,
    number,
    old_layer,
)
from trials import Tally, counts, flips

from models.weights.formats.caffemodel import is_caffemodel, read_caffemodel
from models.weights.reading import read_checkpoint

NUMBERS = field(5, BIAS.astype("<f4").tobytes())


def lies() -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of tensors that are none."""
    for dims in ([2**40], [2**63], [2**64 - 1], [2**32, 2**32], [0, 2**63], [1] * 1000, [4, 0], [2, 3], [2**40] * 30):
        yield f"sizes {dims}"[:60], NUMBERS + field(7, field(1, b"".join(number(size) for size in dims)))
    for count in (10_000, 100_000):
        yield f"{count} sizes of 2**63", NUMBERS + field(7, field(1, number(2**63) * count))
    yield "sizes one by one", NUMBERS + field(7, b"".join(field(1, 2**62) for _ in range(1000)))
    yield "old sizes of 2**62", NUMBERS + b"".join(field(i, 2**62) for i in (1, 2, 3, 4))
    yield "half a number", field(5, b"abc")
    yield "half a double", field(8, b"abcdefg")
    yield "numbers of two kinds", NUMBERS + field(8, bytes(8)) + field(7, field(1, number(5)))
    yield "a size without end", NUMBERS + field(7, field(1, b"\xff" * 9))
    yield "a size of more than 64 bits", NUMBERS + field(7, field(1, b"\xff" * 11))
    yield "a length beyond the end", number(5 << 3 | 2) + number(2**40)
    yield "a length of 2**63", number(5 << 3 | 2) + number(2**63)
    yield "a group", number(5 << 3 | 3)
    yield "field 0", number(2) + number(0)
    deep = b""
    for _ in range(2000):
        deep = field(7, deep)
    yield "shapes in shapes", NUMBERS + deep


def test_tensors_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    with Tally("lying Caffe tensors") as tally:
        for case, content in lies():
            for make in (new_layer, old_layer):
                path.write_bytes(field(1, b"net") + make("conv", blob(WEIGHT), content))
                is_caffemodel(path)
                harmless = case == "shapes in shapes"
                refused_or_data(tally, case, lambda: read_caffemodel(path), path, refused=not harmless, seconds=5)


@pytest.mark.parametrize("make", [new_layer, old_layer])
def test_more_layers_and_tensors_than_any_network_has_are_refused(make: object, tmp_path: Path) -> None:
    path, layer = tmp_path / "net.caffemodel", new_layer if make is new_layer else old_layer
    with Tally("Caffe models of too many parts") as tally:
        for case, content in [("layers", layer("a") * 20_000), ("tensors", layer("a", *[b""] * 1000))]:
            path.write_bytes(content)
            refused_or_data(tally, case, lambda: read_checkpoint(path), path, refused=True)


@counts(150, 1000)
def test_a_changed_caffe_model_is_refused_or_data(count: int, tmp_path: Path) -> None:
    path, generator = tmp_path / "net.caffemodel", np.random.default_rng(0)
    whole = field(1, b"net") + old_layer("a", blob(WEIGHT, layout="old"), blob(BIAS, layout="unpacked"))
    whole += new_layer("b", blob(WEIGHT), blob(BIAS, layout="double"))
    with Tally("changed Caffe models") as tally:
        for turn in range(count):
            broken = bytearray(whole)
            for place in generator.integers(len(whole), size=1 + turn % 4):
                broken[place] = generator.integers(256)
            if turn % 5 == 0:
                place = int(generator.integers(len(whole) - 10))
                broken[place : place + 10] = number(2 ** int(generator.integers(20, 64))).ljust(10, b"\x80")[:10]
            path.write_bytes(bytes(broken[: int(generator.integers(len(whole)))] if turn % 7 == 0 else broken))
            is_caffemodel(path)
            refused_or_data(tally, f"change {turn}", lambda: read_caffemodel(path), path)


@pytest.mark.long
def test_changed_real_caffe_models_are_refused_or_data(shared: Path, tmp_path: Path) -> None:
    file = shared / "reference" / "weights" / "jorder" / "rain_removal_single_light.caffemodel"
    whole, path = file.read_bytes(), tmp_path / file.name
    wanted = read_caffemodel(file)
    assert all(torch.is_tensor(value) for value in wanted.values())
    with Tally("a changed real Caffe model") as tally:
        for place, changed in flips(whole[:4096], 200):
            path.write_bytes(changed + whole[4096:])
            refused_or_data(tally, f"byte {place}", lambda: read_checkpoint(path), path)
        for place in range(0, len(whole), len(whole) // 50):
            path.write_bytes(whole[:place] + struct.pack("<Q", 2**63) + whole[place + 8 :])
            refused_or_data(tally, f"2**63 at {place}", lambda: read_checkpoint(path), path)
