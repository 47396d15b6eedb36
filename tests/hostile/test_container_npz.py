"""Numpy archives whose headers claim what is not there, and changed ones, as weights and as measured kernels."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from container_trials import refused_or_data
from trials import Canary, Tally, counts, flips

from benchmark.degradations.kernels.stored import stored_kernels
from models.weights.formats.flax_npz import is_npz, read_npz
from models.weights.reading import read_checkpoint

DATA = np.arange(6, dtype="<f4").tobytes()


def npy(
    shape: str = "(2, 3)", kind: str = "'<f4'", *, order: str = "False", data: bytes = DATA, version: int = 1
) -> bytes:
    header = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header) % 2**16)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def npz(*arrays: bytes, compress: int = zipfile.ZIP_STORED, names: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as archive:
        for place, array in enumerate(arrays):
            archive.writestr(names[place] if names else f"opt/target/layer_{place}/kernel.npy", array)
    return buffer.getvalue()


def lies() -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of arrays that are none."""
    shapes = [
        "(10**12,)",
        "(1000000000000,)",
        "(1048576, 1048576)",
        "(2**62,)",
        "(-2, -3)",
        "(2, -3)",
        "(6.0,)",
        "6",
        "[6]",
    ]
    shapes += [
        "(7,)",
        "(5,)",
        "()",
        "(True, 6)",
        "(0,)",
        "(0, 4611686018427387904)",
        "(None,)",
        "('6',)",
        "(2, 3, 1,) * 9",
    ]
    shapes += [
        "(" + "1," * 60 + "6)",
        "(" * 3000 + ")" * 3000,
        "__import__('canary')",
        "(canary.load(),)",
        "(9223372036854775808,)",
    ]
    for shape in shapes:
        yield f"shape {shape}"[:60], npy(shape)
    kinds = [
        "'O'",
        "'|O8'",
        "'V4'",
        "'S4'",
        "'U1'",
        "'M8[s]'",
        "'m8'",
        "'<f16'",
        "'f99'",
        "'>f4,>f4'",
        "[('a', '<f4')]",
        "4",
    ]
    kinds += [
        "[('a', '<f4', (1000000,))]",
        "('<f4', (2, 3))",
        "'<f4' * 9",
        "None",
        "'../../x'",
        "[[[[]]]]",
        "'(1000000,)f4'",
    ]
    for kind in kinds:
        yield f"numbers of {kind}", npy(kind=kind)
    for order in ("None", "3", "'x'", "[]"):
        yield f"order {order}", npy(order=order)
    yield "no data", npy(data=b"")
    yield "less data", npy(data=DATA[:-1])
    yield "more data", npy(data=DATA + b"x")
    yield "version 9", npy(version=9)
    yield "a header of 4 GB", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{}"
    yield "a header of 60,000 blanks", b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b" " * 60_000
    yield "no header", b"\x93NUMPY\x01\x00"
    yield "nothing", b""
    yield "a pickle", b"\x80\x02ccanary\nload\n)R."


@pytest.mark.parametrize("compress", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_arrays_that_are_not_what_they_claim_are_refused(
    compress: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canary(tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    path, single = tmp_path / "net.npz", tmp_path / "net.npy"
    with Tally("lying numpy headers") as tally:
        for case, content in lies():
            path.write_bytes(npz(npy(), content, compress=compress))
            single.write_bytes(content)
            for name, read in {"weights": read_checkpoint, "npz": read_npz}.items():
                refused_or_data(tally, f"{case}: {name}", lambda read=read: read(path), path, refused=True, seconds=5)
            refused_or_data(tally, f"{case}: kernels", lambda: stored_kernels(str(path)), path, refused=True, seconds=5)
            refused_or_data(
                tally, f"{case}: kernel", lambda: stored_kernels(str(single)), single, refused=True, seconds=5
            )
        tally.case("canary", not canary.alive, "the canary lives")


def test_odd_archives_of_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    bomb = npy("(100000000,)", "'<u1'", data=bytes(100_000_000))
    good = npz(npy())
    claimed = bytearray(good)
    central = good.index(b"PK\x01\x02")
    struct.pack_into("<II", claimed, central + 20, 2**32 - 2, 2**32 - 2)
    odd = {
        "bomb": npz(bomb, compress=zipfile.ZIP_DEFLATED),
        "bzip2": npz(npy(), compress=zipfile.ZIP_BZIP2),
        "one name twice": _twice(),
        "4 GB claimed": bytes(claimed),
        "another checksum": good.replace(DATA, DATA[:-1] + b"\x01"),
        "cut": good[:-40],
    }
    with Tally("odd numpy archives") as tally:
        for case, content in odd.items():
            path.write_bytes(content)
            refused_or_data(tally, case, lambda: read_npz(path), path, refused=True)
            refused_or_data(tally, f"{case}: kernels", lambda: stored_kernels(str(path)), path, refused=True)
        for name in ("../../x.npy", "/etc/x.npy", "a/../../b.npy", "\\x.npy"):
            path.write_bytes(npz(npy(), names=(name,)))
            refused_or_data(tally, name, lambda: read_npz(path), path)
            tally.case(f"{name}: nothing written", [file.name for file in tmp_path.iterdir()] == ["net.npz"], "written")


def _twice() -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return npz(npy(), npy(), names=("a.npy", "a.npy"))


@pytest.mark.parametrize("compress", [False, True])
@counts(50, 300)
def test_a_changed_archive_of_arrays_is_refused_or_as_it_was(compress: bool, count: int, tmp_path: Path) -> None:
    path, buffer = tmp_path / "net.npz", io.BytesIO()
    arrays = {
        "opt/target/a/kernel": np.random.default_rng(0).random((3, 4), np.float32),
        "opt/target/a/bias": np.arange(3.0),
    }
    (np.savez_compressed if compress else np.savez)(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    whole = buffer.getvalue()
    with Tally("changed numpy archives") as tally:
        for place, changed in flips(whole, count):
            path.write_bytes(changed)
            is_npz(path)
            refused_or_data(tally, f"bit of byte {place}", lambda: read_npz(path), path)
            refused_or_data(tally, f"bit of byte {place}: any reader", lambda: read_checkpoint(path), path)


def test_clean_archives_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    arrays = {
        f"{np.dtype(kind)}": np.arange(6).reshape(2, 3).astype(kind)
        for kind in ("f4", "f8", "f2", "i8", "u1", "?", "c8")
    }
    arrays |= {
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.zeros((0, 4)),
        "number": np.float32(3),
    }  # pyright: ignore[reportAssignmentType]
    for save in (np.savez, np.savez_compressed):
        save(path, **arrays)  # pyright: ignore[reportArgumentType]
        found = read_npz(path)
        with np.load(path) as wanted:
            assert list(found) == wanted.files
            for key in wanted.files:
                assert torch.equal(found[key], torch.from_numpy(wanted[key]))
                assert found[key].stride() == torch.from_numpy(wanted[key]).stride()
