"""Small archives as bytes, sound ones and ones with a fault put in."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile

GOOD = {f"data/{number}.png": f"picture {number} ".encode() * 300 for number in range(5)}


def zip_bytes(files: dict[str, bytes] = GOOD, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def tar_bytes(*odd: tarfile.TarInfo, files: dict[str, bytes] = GOOD) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", encoding="utf-8", errors="surrogateescape") as archive:
        for info in odd:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def odd_member(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


def patched(data: bytes, name: str, *, central: tuple[int, bytes], local: tuple[int, bytes] | None = None) -> bytes:
    """Return a zip in which bytes of a member's two headers are replaced, counted from the header's start."""
    found = bytearray(data)
    starts = [match.start() for match in re.finditer(re.escape(name.encode()), data)]
    for start, change in ((starts[-1] - 46, central), (starts[0] - 30, local)):
        if change is not None:
            found[start + change[0] : start + change[0] + len(change[1])] = change[1]
    return bytes(found)
