"""What the trials of containers share: a watchdog, pickles assembled by hand, and archives around them."""

from __future__ import annotations

import io
import pickle
import struct
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trials import Tally, within

from models.errors import UserError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def plain(value: Any) -> bool:
    """Whether a value is data through and through."""
    if isinstance(value, dict):
        return all(plain(key) and plain(inner) for key, inner in value.items())
    if isinstance(value, list | tuple | set):
        return all(map(plain, value))
    return isinstance(value, torch.Tensor | np.ndarray | np.generic | str | int | float | bytes | None) or hasattr(
        value, "state"
    )


def refused_or_data(
    tally: Tally, name: str, attempt: Callable[[], Any], path: Path, *, refused: bool = False, seconds: float = 10
) -> bool:
    """Count one case: a sentence that names the file, or data; never another exception, and never for long.

    Arguments:
        tally: Counts it.
        name: Of the case.
        attempt: Reads the file.
        path: The file that a sentence must name.
        refused: Whether data will not do.
        seconds: How long it may take.

    Returns:
        Whether it was refused.
    """
    try:
        with within(seconds):
            found = attempt()
    except UserError as error:
        said = str(error)
        tally.case(name, path.name in said and said.isprintable() and len(said) < 1500, f"said {said[:300]!r}")
        return True
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        tally.case(name, False, "".join(traceback.format_exception(error))[-600:])
        return False
    tally.case(name, not refused and plain(found), f"gave {str(found)[:200]}")
    return False


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def named(name: str) -> bytes:
    module, _, attribute = name.rpartition(".")
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def many(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def call(name: str, *arguments: bytes) -> bytes:
    return named(name) + many(*arguments) + b"R"


def entry(value: bytes, *, key: str = "w") -> bytes:
    """A dictionary with one entry, whole."""
    return b"\x80\x02}" + text(key) + value + b"s."


def tensor(
    *,
    kind: str = "FloatStorage",
    key: bytes = text("0"),
    count: int = 4,
    offset: bytes = number(0),
    size: bytes = many(number(4)),
    stride: bytes = many(number(1)),
    tail: bytes = b"\x89" + call("collections.OrderedDict"),
    name: str = "torch._utils._rebuild_tensor_v2",
    old: bool = False,
) -> bytes:
    """A tensor as torch pickles it, with any of its parts exchanged."""
    view = b"N" if old else b""
    pid = many(text("storage"), named(f"torch.{kind}"), key, text("cpu"), number(count), view)
    return named(name) + b"(" + pid + b"Q" + offset + size + stride + tail + b"tR"


NUMBERS = np.arange(4, dtype="<f4").tobytes()


def torch_zip(pickled: bytes, *, storages: dict[str, bytes] | None = None, compress: int = zipfile.ZIP_STORED) -> bytes:
    """A checkpoint of the present format around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, data in (storages if storages is not None else {"0": NUMBERS}).items():
            archive.writestr(f"archive/data/{key}", data)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def torch_stream(pickled: bytes, *, keys: list[str] | None = None, behind: bytes = b"") -> bytes:
    """A checkpoint of the older format around a pickle."""
    head = [MAGIC, PROTOCOL, {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}]
    return b"".join(pickle.dumps(part, 2) for part in head) + pickled + pickle.dumps(keys or [], 2) + behind


def script_zip(pickled: bytes) -> bytes:
    """A TorchScript archive around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/data/0", NUMBERS)
        archive.writestr("net/constants.pkl", pickle.dumps((), 2))
        archive.writestr("net/code/__torch__.py", "import canary\n")
    return buffer.getvalue()
