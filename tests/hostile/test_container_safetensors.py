"""Safetensors files whose headers lie: every reader refuses them before it believes a word."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from container_trials import refused_or_data
from safetensors.torch import load_file, save_file
from trials import Tally, counts, flips

from benchmark.downloads.find import load_state
from captioning.captioners.stored_weights import check_files
from models.errors import UserError
from models.weights.metadata import read_metadata
from models.weights.reading import is_safetensors, read_checkpoint, safetensors_metadata

DATA = np.arange(6, dtype="<f4").tobytes()
GOOD: dict[str, Any] = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
ODD: list[Any] = [None, True, False, -1, 1.5, 2**31, 2**53, 2**60, 2**63, 2**64, 10**30, "", "6", [], {}, [[]], [None]]


def file(header: Any, *, data: bytes = DATA, size: int | None = None) -> bytes:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if size is None else size) + content + data


def lies() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of files with one thing wrong."""
    good = json.dumps({"a": GOOD}).encode()
    for size in (
        0,
        1,
        7,
        len(good) - 1,
        len(good) + 1,
        len(good) + 25,
        2**20,
        10**8,
        2**31,
        2**32,
        2**62,
        2**63,
        2**64 - 1,
    ):
        yield f"a header of {size} bytes", file(good, size=size)
    for cut in range(9):
        yield f"{cut} bytes in all", file(good)[:cut]
    for cut in (1, 4, 23, 24, 25):
        yield f"{cut} bytes too few", file(good)[:-cut]
        yield f"{cut} bytes too many", file(good) + bytes(cut)
    for field in GOOD:
        yield f"no {field}", file({"a": {key: value for key, value in GOOD.items() if key != field}})
        for odd in ODD:
            yield f"{field} is {odd!r}", file({"a": {**GOOD, field: odd}})
    for odd in ODD:
        yield f"the tensor is {odd!r}", file({"a": odd})
        yield f"the header is {odd!r}", file(odd)
        if odd != {}:
            yield f"the metadata is {odd!r}", file({"__metadata__": odd, "a": GOOD})
        if not isinstance(odd, str):
            yield f"a text of the metadata is {odd!r}", file({"__metadata__": {"x": odd}, "a": GOOD})
        if odd not in (3, 6):
            yield f"a size is {odd!r}", file({"a": {**GOOD, "shape": [2, odd]}})
            yield f"the begin is {odd!r}", file({"a": {**GOOD, "data_offsets": [odd, 24]}}) if odd is not False else b""
            yield f"the end is {odd!r}", file({"a": {**GOOD, "data_offsets": [0, odd]}})
    kinds = ["F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "f32", "F33", "Q8", "O", "F4", "", "../../x"]
    for kind in kinds:
        yield f"numbers of {kind!r}", file({"a": {**GOOD, "dtype": kind}})
    shapes = (
        [],
        [1],
        [6, 2],
        [2, 3, 0],
        [0],
        [0, 2**60],
        [2**32, 2**32],
        [2**63, 2],
        [-2, -3],
        [1] * 100,
        [2**48] * 60,
    )
    for shape in shapes:
        yield f"shape {shape}"[:60], file({"a": {**GOOD, "shape": list(shape)}})
    for places in ([0], [0, 24, 24], [24, 0], [4, 28], [0, 48], [-24, 0], [8, 24], [0, 20], [2**63, 2**63 + 24]):
        yield f"bytes {places}", file({"a": {**GOOD, "data_offsets": list(places)}})
    two = {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}
    for begin, end in ((0, 12), (4, 16), (8, 20), (11, 23), (13, 25), (16, 28), (12, 23), (12, 12), (0, 24)):
        second = {"dtype": "F32", "shape": [3], "data_offsets": [begin, end]}
        yield f"a second tensor at {begin} to {end}", file({**two, "b": second})
    for extra in ("device", "", "stride", "__class__"):
        yield f"another entry {extra!r}", file({"a": {**GOOD, extra: 1}})
    yield "one name twice", file(b'{"a":' + json.dumps(GOOD).encode() + b',"a":' + json.dumps(GOOD).encode() + b"}")
    for name, header in {
        "no JSON": b"{" + b"\xff" * 20,
        "half of a JSON": good[:-3],
        "two JSONs": good + good,
        "deep lists": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "blanks in front": b"   " + good,
        "a list": b"[" + good + b"]",
        "a number of 10,000 digits": b'{"a":' + b"9" * 10_000 + b"}",
        "a half of a letter": b'{"\\ud800":3}',
        "other letters": good.decode().encode("utf-16"),
        "zeros": bytes(200),
        "no tensors": b"{}",
        "nothing": b"",
    }.items():
        yield name, file(header)


@counts(60, 1000)
def test_a_lying_header_is_refused_by_every_reader(count: int, tmp_path: Path) -> None:
    every = list(dict(lies()).items())
    assert len(every) >= 258
    (tmp_path / "config.json").write_text("{}")
    path = tmp_path / "model.safetensors"
    readers = {
        "weights": lambda: read_checkpoint(path),
        "metadata": lambda: safetensors_metadata(path),
        "metric": lambda: load_state(path),
        "captioner": lambda: check_files(tmp_path),
    }
    with Tally("lying safetensors headers") as tally:
        for case, content in every[:: max(1, len(every) // count)]:
            path.write_bytes(content)
            is_safetensors(path)
            for reader, read in readers.items():
                refused_or_data(tally, f"{case}: {reader}", read, path, refused=True, seconds=5)


@counts(100, 2000)
def test_a_flipped_header_is_refused_or_gives_whole_tensors(count: int, tmp_path: Path) -> None:
    clean = {"a.weight": torch.rand(3, 4), "b": torch.arange(5), "c": torch.rand(2).half()}
    path = tmp_path / "net.safetensors"
    save_file(clean, path, metadata={"bench": '{"network": "nafnet"}'})
    whole = path.read_bytes()
    header = whole[: 8 + struct.unpack("<Q", whole[:8])[0]]
    with Tally("flips in safetensors headers") as tally:
        for seed in range(count // 100):
            for place, changed in flips(header, 100, seed=seed):
                path.write_bytes(changed + whole[len(header) :])
                refused_or_data(tally, f"byte {place}", lambda: read_checkpoint(path), path)
                refused_or_data(tally, f"byte {place}: metadata", lambda: safetensors_metadata(path), path)


@pytest.mark.parametrize("bench", ["[]", "3", "null", '"text"', "{", "", "[" * 100_000, '{"a":1,"a":2}', "{'a': 1}"])
def test_what_a_file_says_about_itself_is_an_object_or_refused(bench: str, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "net.safetensors", metadata={"bench": bench})
    for read in (safetensors_metadata, read_metadata):
        with pytest.raises(UserError, match=r"net\.safetensors"):
            read(tmp_path / "net.safetensors")


def test_clean_files_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    kinds = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    state = {f"layer.{kind}": torch.ones(3, 2).to(kind) for kind in kinds} | {
        "none": torch.zeros(0, 4),
        "one": torch.tensor(3.0),
    }
    save_file(state, tmp_path / "net.safetensors", metadata={"bench": '{"network": "nafnet"}'})
    found, wanted = read_checkpoint(tmp_path / "net.safetensors").state, load_file(tmp_path / "net.safetensors")
    assert list(found) == list(wanted)
    assert all(found[key].dtype == wanted[key].dtype and torch.equal(found[key], wanted[key]) for key in wanted)
    assert safetensors_metadata(tmp_path / "net.safetensors") == {"network": "nafnet"}


def test_a_header_whose_length_looks_like_a_pickle_is_a_header(tmp_path: Path) -> None:
    path = tmp_path / "net.weights"
    content = json.dumps({"a": GOOD}).encode().ljust(640)
    path.write_bytes(file(content))
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert is_safetensors(path)
    assert read_checkpoint(path).state["a"].shape == (2, 3)
