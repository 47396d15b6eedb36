"""Short files that ask for much memory: a process of its own reads them, and its peak is measured."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_trials import call, entry, many, number, tensor, torch_stream, torch_zip
from test_caffemodel import BIAS, blob, field, new_layer  # pyright: ignore[reportMissingImports]
from test_caffemodel import number as varint  # pyright: ignore[reportMissingImports]
from test_container_npz import npy, npz
from test_container_safetensors import file as safe
from trials import Tally

MOST = 300 << 20
"""How much memory reading any of them may take beyond what the process had, in bytes."""

HARMLESS = ("memo.arrays", "numbers.caffemodel")
"""What is large in no way, or is a tensor of as many numbers as the file holds."""

CHILD = """
import json, resource, sys, time
from pathlib import Path
from benchmark.degradations.kernels.stored import stored_kernels
from benchmark.downloads.find import load_state
from benchmark.downloads.pickles import read_arrays, read_script
from models.weights.reading import read_checkpoint
from models.errors import UserError
readers = {"npz": stored_kernels, "arrays": read_arrays, "script": read_script, "metric": load_state}
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
read_checkpoint(Path(sys.argv[1]))
base = peak()
for name in sys.argv[2:]:
    begun = time.monotonic()
    said = ""
    try:
        reader = readers.get(Path(name).suffix[1:], read_checkpoint)
        reader(name if reader is stored_kernels else Path(name))
    except UserError as error:
        said = str(error)
    print(json.dumps([name, said, peak() - base, time.monotonic() - begun]), flush=True)
"""


def greedy() -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of files that ask for more than they are; the largest ones come last."""
    wide = many(number(10**12))
    yield "stream-of-4-tb.pt", torch_stream(entry(tensor(count=2**40, old=True)))
    yield "zip-of-4-tb.pt", torch_zip(entry(tensor(count=2**40)))
    yield "expanded.pt", torch_zip(entry(tensor(size=wide, stride=many(number(0)))))
    yield "grown.pt", torch_zip(entry(tensor(size=wide)))
    yield "bytearray.pt", torch_zip(entry(call("__builtin__.bytearray", number(2**31 - 1))))
    yield "memo.pt", torch_zip(entry(b"Nr" + struct.pack("<I", 2**31 - 1)))
    yield "memo.arrays", entry(b"Nr" + struct.pack("<I", 2**31 - 1))
    yield "bytes.arrays", entry(b"\x8e" + struct.pack("<Q", 2**36))
    yield "text.metric", torch_stream(entry(b"\x8d" + struct.pack("<Q", 2**36)))
    yield "many-lists.pt", torch_zip(entry(b"(" + b"]" * 4_000_000 + b"l"))
    yield "many-dictionaries.pt", torch_zip(entry(b"(" + b"}" * 4_000_000 + b"t"))
    yield "many-dictionaries.script", torch_zip(entry(b"(" + b"}" * 4_000_000 + b"t"))
    yield "claims.npz", npz(npy("(1000000000000,)"))
    yield "claims-unpacked.npz", npz(npy("(1000000000000,)"), compress=zipfile.ZIP_DEFLATED)
    yield "bomb.npz", npz(npy("(400000000,)", "'<u1'", data=bytes(400_000_000)), compress=zipfile.ZIP_DEFLATED)
    yield "header.safetensors", safe(b"{", size=2**40)
    yield "long-header.safetensors", safe(b'{"a":[' + b"[]," * 40_000_000 + b"[]]}")
    yield "lists.safetensors", safe(b'{"a":[' + b"[]," * 3_000_000 + b"[]]}")
    sizes = field(5, BIAS.tobytes()) + field(7, field(1, varint(2**40) * 2))
    yield "sizes.caffemodel", new_layer("a", sizes)
    yield "layers.caffemodel", new_layer("a", blob(BIAS)) + b"\xa2\x06\x00" * 2_000_000
    yield "tensors.caffemodel", new_layer("a", blob(BIAS)) + field(100, b"\x0a\x01b" + b"\x3a\x00" * 2_000_000)
    yield "numbers.caffemodel", new_layer("a", (b"\x2d" + bytes(4)) * 2_000_000)
    yield "directory.pt", torch_zip(entry(tensor()), storages={str(place): b"" for place in range(100_000)})


@pytest.mark.slow
def test_short_files_do_not_fill_the_memory(tmp_path: Path) -> None:
    clean, root = tmp_path / "clean.pt", Path(__file__).parents[2]
    clean.write_bytes(torch_zip(entry(tensor())))
    names = []
    for name, content in greedy():
        (tmp_path / name).write_bytes(content)
        names.append(str(tmp_path / name))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(clean), *names], cwd=root, capture_output=True, text=True, check=False
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    with Tally("files that ask for much memory") as tally:
        for name, said, grown, seconds in results:
            data = not said and Path(name).name in HARMLESS
            held = (data or Path(name).name in said) and "\n" not in said and grown < MOST and seconds < 30
            tally.case(Path(name).name, held, f"{grown >> 20} MiB, {seconds:.1f} s, said {said[:200]!r}")
        tally.case("all were read", len(results) == len(names), done.stderr[-500:])
