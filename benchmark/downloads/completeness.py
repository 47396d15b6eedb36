"""Whether a file of weights is whole by its own structure, for those whose digest nobody has published."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from models.errors import UserError
from models.files import parse_json

BLOATED = 16
"""A zip archive of weights unpacks to less than so many times its length."""

HEADER = 100_000_000
"""Bytes; safetensors files have no longer header."""


def incomplete(path: Path, name: str) -> str:
    """Return what shows that a file of weights is not a whole one, or nothing.

    Zip archives (PyTorch's files and NumPy's) hold a checksum of each member, safetensors files the places of their
    tensors. PyTorch's oldest files, one pickle after the other, say nothing of the kind: only their beginning is known.

    Arguments:
        path: The file.
        name: The name that it is to have, which tells its kind.
    """
    with open(path, "rb") as file:
        head = file.read(8)
    suffix = Path(name).suffix
    if suffix == ".safetensors":
        return _safetensors(path, head)
    if head.startswith(b"PK"):
        return _zip(path)
    if suffix != ".npz" and head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return ""
    return f"its first bytes are {head[:8]!r}, which no {suffix} file begins with"


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > BLOATED * path.stat().st_size + (1 << 20):
                return "its archive unpacks to far more than weights do"
            broken = archive.testzip() if members else "any member"
            comment = len(archive.comment)
        with open(path, "rb") as file:
            file.seek(-22 - comment, 2)
            if file.read(4) != b"PK\x05\x06":
                return "something follows its archive"
    except Exception as error:  # a broken archive raises a dozen types
        return f"its archive is broken ({error})"
    return f"its archive is broken ({broken!a})" if broken else ""


def _safetensors(path: Path, head: bytes) -> str:
    size = path.stat().st_size
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else HEADER + 1
    if length > min(HEADER, size - 8):
        return "its header is cut off"
    with open(path, "rb") as file:
        file.seek(8)
        try:
            told = parse_json(file.read(length), "its header")
            ends = [entry["data_offsets"][1] for name, entry in told.items() if name != "__metadata__"]
            end = max(ends, default=0)
        except (UserError, KeyError, TypeError, IndexError):
            return "its header cannot be read"
    return "" if isinstance(end, int) and 8 + length + end == size else "its header does not fit its length"
