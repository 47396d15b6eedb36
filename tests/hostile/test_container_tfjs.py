"""Graph models of TensorFlow.js with any part exchanged, and packages that are no good."""

from __future__ import annotations

import copy
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from container_trials import refused_or_data
from test_maxim import write_graph  # pyright: ignore[reportMissingImports]
from trials import Tally, counts, flips

from models.weights.formats.tfjs import is_tfjs, read_tfjs
from models.weights.reading import read_checkpoint

ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    2**31,
    2**40,
    2**63,
    10**30,
    "",
    "x",
    "a/b:0",
    "../../etc/passwd",
    "/dev/zero",
    "\ud800",
]
ODD += [
    "\x00",
    "float16",
    "int32",
    "bool",
    "string",
    "resource",
    [],
    {},
    [[]],
    [None],
    [2**40],
    {"a": 1},
    ["x", "y"],
    float("nan"),
]


def arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = {
        "conv/kernel": (1, 1, 2, 3),
        "conv/bias": (3,),
        "dense/kernel": (3, 2),
        "norm/scale": (3,),
        "norm/bias": (3,),
    }
    shapes["up/ConvTranspose_0/kernel"] = (2, 2, 3, 2)
    return {name: generator.random(shape, np.float32) for name, shape in shapes.items()}


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside nested containers."""
    if way:
        yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*way, key))


def mutant(model: Any, generator: np.random.Generator) -> tuple[str, Any]:
    """Return a graph model with one to three of its parts exchanged, taken out, doubled, or put into each other."""
    changed = copy.deepcopy(model)
    said = []
    for _ in range(int(generator.integers(1, 4))):
        ways = list(places(changed))
        if not ways:
            break
        *outer, last = ways[int(generator.integers(len(ways)))]
        holder = changed
        for key in outer:
            holder = holder[key]
        kind = ("exchange", "take out", "double", "put in itself")[int(generator.integers(4))]
        said.append(f"{kind} {[*outer, last]}")
        if kind == "take out":
            del holder[last]
        elif kind == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        elif kind == "put in itself":
            holder[last] = [copy.deepcopy(holder[last])]
        else:
            holder[last] = copy.deepcopy(ODD[int(generator.integers(len(ODD)))])
    return "; ".join(said), changed


@counts(60, 4000)
def test_a_mutant_of_a_graph_model_is_refused_or_data(count: int, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "models", arrays())
    file, generator = folder / "model.json", np.random.default_rng(0)
    model = json.loads(file.read_text())
    assert len(read_tfjs(folder)) == 6
    with Tally("mutants of graph models") as tally:
        for number in range(count):
            case, changed = mutant(model, generator)
            file.write_text(json.dumps(changed))
            is_tfjs(file)
            whole = folder if number % 2 else file
            refused_or_data(tally, f"{number}: {case}", lambda whole=whole: read_checkpoint(whole), whole)
        tally.case("nothing beside", len(list(folder.iterdir())) == 3, "files were written")


@counts(60, 1000)
def test_a_flipped_graph_model_is_refused_or_data(count: int, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "models", arrays())
    with Tally("flips in graph models") as tally:
        whole = (folder / "model.json").read_bytes()
        for place, changed in flips(whole, count):
            (folder / "model.json").write_bytes(changed)
            refused_or_data(tally, f"model.json byte {place}", lambda: read_tfjs(folder), folder)


def test_shards_come_from_the_folder_and_nowhere_else(tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "models", arrays())
    file = folder / "model.json"
    model = json.loads(file.read_text())
    secret = tmp_path / "secret.bin"
    secret.write_bytes((folder / "group1-shard1of2.bin").read_bytes())
    (folder / "link.bin").symlink_to(secret)
    (folder / "zero.bin").symlink_to("/dev/zero")
    (folder / "sub").symlink_to(tmp_path)
    names = [
        "../secret.bin",
        str(secret),
        "link.bin",
        "zero.bin",
        "sub/secret.bin",
        "./../secret.bin",
        "..\\secret.bin",
        "/dev/zero",
    ]
    names += ["", ".", "..", "a\x00b", "x" * 5000, "group1-shard2of2.bin", "model.json", "sub"]
    with Tally("shards outside of a graph model") as tally:
        for name in names:
            changed = copy.deepcopy(model)
            changed["weightsManifest"][0]["paths"][0] = name
            file.write_text(json.dumps(changed))
            refused_or_data(tally, f"shard {name!r}"[:60], lambda: read_tfjs(folder), folder, refused=True)
        many = copy.deepcopy(model)
        many["weightsManifest"][0]["paths"] *= 1000
        file.write_text(json.dumps(many))
        refused_or_data(tally, "a shard a thousand times", lambda: read_tfjs(folder), folder, refused=True)
        for name, text in {
            "deep lists": '{"format": "graph-model", "a": ' + "[" * 100_000 + "]" * 100_000 + "}",
            "deep objects": '{"format": "graph-model", "a": ' + '{"a":' * 100_000 + "1" + "}" * 100_001,
            "a list": '["graph-model"]',
            "a long number": '{"format": "graph-model", "a": ' + "9" * 100_000 + "}",
        }.items():
            file.write_text(text)
            refused_or_data(tally, name, lambda: read_tfjs(folder), folder, refused=True)


def package(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def member(
    name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, data


def test_packages_are_read_in_memory_and_only_their_files(tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "models", arrays())
    files = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    good = [member(f"package/{name}", data) for name, data in files.items()]
    path = tmp_path / "net.tgz"
    shard, kinds = "package/group1-shard1of2.bin", (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
    less = [part for part in good if part[0].name != shard]
    odd = {
        f"a shard of kind {kind!r}": package([*less, member(shard, kind=kind, link="/etc/passwd")]) for kind in kinds
    }
    sparse = tarfile.TarInfo(shard)
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**50)}
    odd["a sparse shard"] = package([*less, (sparse, b"")])
    odd["a shard twice"] = package([*good, member(shard, b"x")])
    odd["a shard elsewhere"] = package([*less, member("../group1-shard1of2.bin", files["group1-shard1of2.bin"])])
    odd["2,100 members"] = package([member(f"a{i}") for i in range(2_100)] + good)
    whole = package(good)
    odd["cut"] = whole[:-30]
    odd["no tar"] = gzip.compress(b"x" * 10_000)
    odd["a bomb"] = gzip.compress(gzip.decompress(whole)[:-1024] + bytes(70_000_000), 1)
    header = bytearray(gzip.decompress(whole))
    header[124:136] = b"\x80" + (2**80).to_bytes(11, "big")
    odd["a member of 2**80 bytes"] = gzip.compress(bytes(header))
    with Tally("odd packages of graph models") as tally:
        for case, content in odd.items():
            path.write_bytes(content)
            refused_or_data(tally, case, lambda: read_tfjs(path), path, refused=True)
            refused_or_data(tally, f"{case}: any reader", lambda: read_checkpoint(path), path, refused=True)
    for leaf in ("etc", "group1-shard1of2.bin"):
        assert not (tmp_path / leaf).exists()


@counts(40, 400)
def test_a_flipped_package_is_refused_or_as_it_was(count: int, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "models", arrays())
    path = tmp_path / "net.tgz"
    whole = package([member(f"package/{file.name}", file.read_bytes()) for file in sorted(folder.iterdir())])
    path.write_bytes(whole)
    clean = read_checkpoint(path).state
    with Tally("flips in packages") as tally:
        for place, changed in flips(whole, count):
            path.write_bytes(changed)
            found: list[Any] = []
            refused_or_data(tally, f"byte {place}", lambda found=found: found.append(read_tfjs(path)), path)
            if found:
                same = found[0].keys() == clean.keys() and all(torch.equal(found[0][key], clean[key]) for key in clean)
                tally.case(f"byte {place}: values", same, "other values")


@pytest.mark.parametrize("name", ["model.json", "net.tgz"])
def test_what_only_looks_like_a_graph_model_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with Tally("files that look like graph models") as tally:
        for number, content in enumerate(
            [b'{"format": "graph-model"}', b"\x1f\x8b", b"\x1f\x8b\x08\x00" + bytes(100), b"{", b""]
        ):
            path.write_bytes(content)
            refused_or_data(tally, f"{name} {number}", lambda: read_checkpoint(path), path, refused=True)
