"""Torch checkpoints that say of their tensors and members what is not so, flipped ones, and real ones."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from container_trials import (
    NUMBERS,
    call,
    entry,
    many,
    named,
    number,
    refused_or_data,
    tensor,
    text,
    torch_stream,
    torch_zip,
)
from trials import Tally, counts, flips

from models.weights.reading import read_checkpoint, read_content

HUGE = 10**12


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield tensors that are described in ways that do not fit their storage of four numbers."""
    yield "10**12 numbers", {"size": many(number(HUGE))}
    yield (
        "10**12 numbers by 10**12",
        {"size": many(number(HUGE), number(HUGE)), "stride": many(number(HUGE), number(1))},
    )
    yield "one number seen 10**12 times", {"size": many(number(HUGE)), "stride": many(number(0))}
    yield (
        "2**20 x 2**20 views of one number",
        {"size": many(number(2**20), number(2**20)), "stride": many(number(0)) * 1},
    )
    yield "zero of 2**62", {"size": many(number(0), number(2**62)), "stride": many(number(1), number(1))}
    yield "five numbers", {"size": many(number(5))}
    yield "an offset of 1", {"offset": number(1)}
    yield "an offset of -1", {"offset": number(-1)}
    yield "an offset of 2**62", {"offset": number(2**62)}
    yield "a stride of 2", {"stride": many(number(2))}
    yield "a stride of -1", {"stride": many(number(-1))}
    yield "a stride of 2**62", {"stride": many(number(2**62))}
    yield "no stride", {"stride": many()}
    yield "two strides", {"stride": many(number(1), number(1))}
    yield "a size of -4", {"size": many(number(-4))}
    yield "a size of 2**64", {"size": many(number(2**64))}
    yield "a size that is true", {"size": many(b"\x88")}
    yield "a size of 4.0", {"size": many(b"G" + struct.pack(">d", 4.0))}
    yield "a text for a size", {"size": many(text("4"))}
    yield "a list of sizes", {"size": b"](" + number(4) + b"e"}
    yield "200 sizes", {"size": many(*[number(1)] * 200), "stride": many(*[number(1)] * 200)}
    yield "another storage", {"key": text("1")}
    yield "a storage outside", {"key": text("../../../etc/passwd")}
    yield "a storage without a name", {"key": b"N"}
    yield "five numbers in the storage", {"count": 5}
    yield "three numbers in the storage", {"count": 3}
    yield "2**40 numbers in the storage", {"count": 2**40}
    yield "2**62 numbers in the storage", {"count": 2**62}
    yield "-1 numbers in the storage", {"count": -1}
    for kind in (
        "QInt8Storage",
        "QUInt4x2Storage",
        "DoubleStorage",
        "ComplexDoubleStorage",
        "Tensor",
        "float32",
        "OddStorage",
    ):
        yield f"a {kind}", {"kind": kind}
    yield (
        "a storage of bytes as float64",
        {
            "kind": "storage.UntypedStorage",
            "count": 16,
            "name": "torch._utils._rebuild_tensor_v3",
            "tail": b"\x89" + call("collections.OrderedDict") + named("torch.float64"),
        },
    )
    yield "gradients of nothing", {"tail": b"N" + call("collections.OrderedDict")}
    yield "gradients of whole numbers", {"kind": "IntStorage", "tail": b"\x88" + call("collections.OrderedDict")}
    yield "bits of a conjugate", {"tail": b"\x89" + call("collections.OrderedDict") + b"}" + text("conj") + b"\x88s"}
    yield "too little said", {"tail": b"\x89"}
    yield "too much said", {"tail": b"\x89" + call("collections.OrderedDict") + b"NNNN" + number(1)}


@pytest.mark.parametrize("form", ["zip", "stream"])
@counts(1000, 1001)
def test_tensors_that_do_not_fit_their_storage_are_refused(form: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with Tally(f"tensors beyond their storage: {form}") as tally:
        for case, parts in list(described())[:count]:
            pickled = entry(tensor(**parts, old=form == "stream"))
            numbers = parts.get("count", 4)
            behind = struct.pack("<q", max(numbers, 0) % 2**62) + NUMBERS
            content = torch_zip(pickled) if form == "zip" else torch_stream(pickled, keys=["0"], behind=behind)
            path.write_bytes(content)
            refused_or_data(tally, case, lambda: read_checkpoint(path), path, refused=True, seconds=5)


def archives() -> Iterator[tuple[str, bytes]]:
    """Yield archives around a good pickle that are no good themselves."""
    good = torch_zip(entry(tensor()))
    yield "compressed", torch_zip(entry(tensor()), compress=zipfile.ZIP_DEFLATED)
    yield "compressed otherwise", torch_zip(entry(tensor()), compress=zipfile.ZIP_LZMA)
    yield "without storages", torch_zip(entry(tensor()), storages={})
    yield "with a short storage", torch_zip(entry(tensor()), storages={"0": NUMBERS[:-1]})
    yield "with a long storage", torch_zip(entry(tensor()), storages={"0": NUMBERS + b"x"})
    yield "with storages elsewhere", torch_zip(entry(tensor()), storages={"../../0": NUMBERS, "/0": NUMBERS})
    encrypted = bytearray(good)
    for place in range(len(good) - 4):
        if good[place : place + 4] == b"PK\x01\x02":
            encrypted[place + 8] |= 1
    yield "encrypted", bytes(encrypted)
    both = torch_zip(entry(tensor()), storages={"0": NUMBERS, "1": NUMBERS})
    yield "with one name twice", both.replace(b"data/1", b"data/0")
    yield "without a pickle", good.replace(b"data.pkl", b"data.txt")
    yield "with another one in front", good + b"\0" * 70_000
    end = good.rindex(b"PK\x05\x06")
    for name, at, size, value in [
        ("a directory of 4 GB", 12, "<I", 2**32 - 2),
        ("a directory elsewhere", 16, "<I", 2**32 - 2),
        ("a directory at the start", 16, "<I", 0),
        ("65,535 members", 10, "<H", 65_535),
        ("a comment that is not there", 20, "<H", 65_535),
    ]:
        changed = bytearray(good)
        struct.pack_into(size, changed, end + at, value)
        yield name, bytes(changed)
    central = good.index(b"PK\x01\x02")
    for name, at, value in [("size", 24, 2**31), ("packed size", 20, 2**31), ("place", 42, 2**31)]:
        changed = bytearray(good)
        struct.pack_into("<I", changed, central + at, value)
        yield f"a wrong {name} of a member", bytes(changed)


def test_archives_that_are_not_as_torch_writes_them_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with Tally("odd archives of torch") as tally:
        for case, content in archives():
            path.write_bytes(content)
            # A wrong count of members, or length of a comment, changes nothing of what is read.
            harmless = case in ("65,535 members", "a comment that is not there")
            refused_or_data(tally, case, lambda: read_checkpoint(path), path, refused=not harmless)


@pytest.mark.parametrize("new", [True, False])
@counts(60, 400)
def test_a_changed_checkpoint_is_refused_or_data(new: bool, count: int, tmp_path: Path) -> None:
    path, clean = tmp_path / "net.pt", tmp_path / "clean.pt"
    state = {"a.weight": torch.rand(3, 4), "a.bias": torch.rand(3), "n": torch.tensor(7)}
    torch.save({"state_dict": state, "epoch": 3, "lr": np.float64(1e-4)}, clean, _use_new_zipfile_serialization=new)
    whole = clean.read_bytes()
    with Tally(f"changes in torch {'zips' if new else 'streams'}") as tally:
        for place, changed in flips(whole, count):
            path.write_bytes(changed)
            refused_or_data(tally, f"bit of byte {place}", lambda: read_checkpoint(path), path)
        for place, changed in flips(whole, count // 4, seed=1):
            path.write_bytes(changed[:place])
            refused_or_data(tally, f"cut at {place}", lambda: read_checkpoint(path), path)
        generator = np.random.default_rng(2)
        values = np.array([0, 1, 255, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1], np.uint64)
        for _ in range(count // 2):
            broken = bytearray(whole)
            place = int(generator.integers(len(whole) - 8))
            value = int(generator.choice(values))
            broken[place : place + 8] = struct.pack("<Q", value)
            path.write_bytes(bytes(broken))
            refused_or_data(tally, f"{value} at {place}", lambda: read_checkpoint(path), path)


def test_what_torch_writes_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    state = {
        "turned": base.transpose(0, 2),
        "part": base[1, 1:],
        "none": torch.zeros(0, 3),
        "number": torch.tensor(3),
        "half": torch.rand(3).half(),
        "small": torch.rand(3).bfloat16(),
        "complex": torch.rand(2, dtype=torch.complex64),
        "wide": torch.ones(1).expand(5),
        "parameter": torch.nn.Parameter(torch.rand(2)),
        "frozen": torch.nn.Parameter(torch.rand(2), requires_grad=False),
    }
    for new in (True, False):
        torch.save(state, tmp_path / "net.pt", _use_new_zipfile_serialization=new)
        wanted = torch.load(tmp_path / "net.pt", weights_only=True)
        found = read_content(tmp_path / "net.pt")
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            assert torch.equal(found[key], value)
            assert found[key].stride() == value.stride()
            assert (found[key].dtype, found[key].requires_grad) == (value.dtype, value.requires_grad)
            assert type(found[key]) is type(value)


@pytest.mark.long
def test_real_checkpoints_are_read_as_torch_reads_them_and_refused_when_cut(shared: Path, tmp_path: Path) -> None:
    import argparse

    files = sorted((shared / "reference" / "weights").glob("*/*.pt*"))
    assert files
    with Tally("real checkpoints, whole and cut") as tally:
        for file in files:
            with torch.serialization.safe_globals([argparse.Namespace]):
                wanted = torch.load(file, map_location="cpu", weights_only=True)
            found = read_content(file)
            flat = read_checkpoint(file).state
            assert list(found) == list(wanted)
            tally.case(file.name, _equal(found, wanted) and bool(flat), "differs")
            whole, path = file.read_bytes(), tmp_path / file.name
            for place, changed in flips(whole, 20):
                path.write_bytes(changed[:place])
                refused_or_data(
                    tally, f"{file.name} cut at {place}", lambda path=path: read_checkpoint(path), path, refused=True
                )


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a == b
