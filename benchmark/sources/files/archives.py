"""Which files are archives, and what opens them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.sources.files.gzip_tars import GzipTar
from benchmark.sources.files.members import Place
from benchmark.sources.files.tars import BLOCK, TarArchive
from benchmark.sources.files.zips import ZipArchive

OPENERS: dict[str, Callable[[Path, str], Place]] = {
    ".zip": ZipArchive,
    ".tar": TarArchive,
    ".tar.gz": GzipTar,
    ".tgz": GzipTar,
}
"""What opens an archive, by the ending of its name."""

UNSUPPORTED = (
    *(".rar", ".7z", ".z01", ".zip.001", ".7z.001", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz"),
    *(".tar.zst", ".tzst", ".tar.lzma", ".tar.lz4", ".tar.z"),
)
"""Archives that only their own tools unpack, or that allow no jump to a member."""


def ending(path: Path) -> str | None:
    """Return the ending by which `path` is an archive, in lower case and supported or not; None for other files."""
    name = path.name.lower()
    return next((known for known in (*OPENERS, *UNSUPPORTED) if name.endswith(known) and name != known), None)


def refusal(found: str) -> str:
    """Say why an archive of an unsupported ending is not opened."""
    return f"a {found} archive cannot be read: unpack it first"


def open_archive(path: Path, found: str) -> Place:
    """Return the archive at `path`, not yet read.

    Arguments:
        path: The file, absolute.
        found: Its ending, one of `OPENERS`.
    """
    if OPENERS[found] is ZipArchive:
        return ZipArchive(path, label(path))
    # Tars are often named for the other kind: download tools unpack the compression on the way, or keep it untold.
    return (GzipTar if _is_gzip(path, OPENERS[found] is GzipTar) else TarArchive)(path, label(path))


def _is_gzip(path: Path, named: bool) -> bool:
    try:
        with open(path, "rb") as handle:
            head = handle.read(BLOCK)
    except OSError:
        return named
    if head[:2] == b"\x1f\x8b":
        return True
    return named and head[257:262] != b"ustar"


def label(path: Path) -> str:
    """Return the name of a folder, or that of an archive without its ending."""
    found = ending(path) if path.is_file() else None
    return path.name[: -len(found)] if found else path.name
