"""Files that are either whole or absent: atomic writes, digests, sealed JSON, safe places and one writer per folder."""

from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import json
import os
import platform
import re
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from models.errors import UserError

SEAL = "seal"
"""The key under which a sealed JSON object holds the SHA-256 of all its other values."""

ABANDONED = 86_400.0
"""Seconds after which a temporary file of another machine counts as left behind."""

_PARTIAL = re.compile(r"\..+\.(?P<host>[A-Za-z0-9_-]*)-(?P<pid>\d+)\.partial")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_UNUSUAL = re.compile(r"[^\n -~]")
MACHINE = re.sub(r"[^A-Za-z0-9_-]", "-", platform.node())[:40]
"""This machine's name, as it stands in names of temporary files."""


@contextmanager
def atomic_path(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` only when the block ends well.

    The data is flushed to disk before the rename, so a crash leaves the old file or the new one, never a part. What
    killed processes left in the folder is removed when this process first writes to it.

    Arguments:
        path: The file.
        flush: Whether the data is flushed; False for many files whose writer flushes them together.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent)
    partial = path.with_name(f".{path.name}.{MACHINE}-{os.getpid()}.partial")
    try:
        yield partial
        if flush:
            with open(partial, "rb") as handle:
                os.fsync(handle.fileno())
        os.replace(partial, path)
    except OSError as error:
        if error.errno in _FULL and error.filename in (None, str(partial), partial):
            error.filename = str(path)  # not every writer says what it was writing
        raise
    finally:
        partial.unlink(missing_ok=True)


@functools.lru_cache(maxsize=4096)  # a folder of 50,000 images is not listed for each of them
def _sweep_once(folder: Path) -> None:
    sweep_partials(folder)


def sweep_partials(folder: Path) -> None:
    """Remove the temporary files that killed processes have left directly in a folder.

    Those of a process that lives on this machine stay; those of other machines stay for a day.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            found = _PARTIAL.fullmatch(entry.name)
            if found is None:
                continue
            with suppress(OSError):
                mine = found["host"] == MACHINE
                if not lives(int(found["pid"])) if mine else time.time() - entry.stat().st_mtime > ABANDONED:
                    os.unlink(entry.path)


def lives(pid: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically, as indented JSON with a final newline (NaN and infinity are refused).

    What cannot be seen in a text, such as marks that turn the direction of writing, stands there as its code.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, _UNUSUAL.sub(_as_code, text) + "\n")


def _as_code(match: re.Match[str]) -> str:
    """Return a character as JSON writes it: as it is where it is seen, else as its code."""
    return match[0] if match[0].isprintable() or unicodedata.category(match[0]) == "Zs" else json.dumps(match[0])[1:-1]


def read_json(path: Path, what: str, kind: type | tuple[type, ...] = dict) -> Any:
    """Read a JSON file, which anybody may have written.

    Arguments:
        path: The file.
        what: Its role, for the error.
        kind: What it must hold: an object (`dict`) unless said.

    Raises:
        UserError: The file is absent, no JSON, nested too deeply, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{what} not found: {path}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{what} is not valid JSON: {path} ({error})") from None
    return parse_json(text, f"{what} {path}", kind)


def parse_json(text: str | bytes, what: str, kind: type | tuple[type, ...] = dict) -> Any:
    """Read JSON that anybody may have written; `what` names its place in the error.

    Raises:
        UserError: It is no JSON, names a key twice, is nested too deeply, or holds something else than `kind`.
    """
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{what} is not valid JSON ({reason})") from None
    if not isinstance(value, kind):
        raise UserError(
            f"{what} holds {type(value).__name__} in place of {_names(kind)}: it is another file, or damaged"
        )
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _names(kind: type | tuple[type, ...]) -> str:
    words = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return " or ".join(words.get(one, one.__name__) for one in (kind if isinstance(kind, tuple) else (kind,)))


def seal_of(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object without its own seal, in canonical form."""
    return sha256_json({key: item for key, item in value.items() if key != SEAL})


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the SHA-256 of all its values as its last one."""
    bare = {key: item for key, item in value.items() if key != SEAL}
    # What is digested is what a reader will see: tuples are lists by then, and keys are texts.
    return {**bare, SEAL: seal_of(json.loads(json.dumps(bare, allow_nan=False)))}


def check_seal(value: Mapping[str, Any], what: str, *, required: bool, remedy: str) -> None:
    """Compare a JSON object with its seal.

    Arguments:
        value: The object.
        what: Its name, for the error.
        required: Whether one without a seal is refused; files of before there were seals have none.
        remedy: What to do, for the error.

    Raises:
        UserError: The object is not what was sealed.
    """
    if SEAL not in value:
        if required:
            raise UserError(f"{what} has no seal: it was written by hand, or damaged; {remedy}")
    elif value[SEAL] != seal_of(value):
        raise UserError(f"{what} was changed after it was written (its values differ from its seal): {remedy}")


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with its seal, see `write_json`."""
    write_json(path, sealed(value))


def read_sealed(path: Path, what: str, *, required: bool = True, remedy: str) -> dict[str, Any]:
    """Read a JSON object that `write_sealed` wrote, and return it without its seal; see `check_seal`.

    Raises:
        UserError: The file is absent, no JSON object, or not what was sealed.
    """
    value = read_json(path, what)
    check_seal(value, f"{what} {path}", required=required, remedy=remedy)
    return {key: item for key, item in value.items() if key != SEAL}


def below(folder: Path, name: str, *, what: str = "file name") -> Path:
    """Return the path below a folder that a name out of data (a key, a member, a path in a table) means.

    Arguments:
        folder: Nothing outside of it is ever named.
        name: Parts joined by "/". None may be empty, "." or "..", begin with a dot (such names are this program's own
            and the system's), be longer than 255 bytes, or hold a backslash or a control character.
        what: What the name is, for the error.

    Raises:
        UserError: The name is not of that form, or a link on the way leads out of the folder.
    """
    parts = name.split("/") if isinstance(name, str) else []
    if not parts or PurePosixPath(name).is_absolute() or not all(_plain(part) for part in parts):
        raise UserError(
            f"the {what} {name!a} cannot be used as a place below {folder}: expected names joined by '/', without "
            "'..', a leading dot or control characters"
        )
    path = folder.joinpath(*parts)
    if not path.parent.resolve().is_relative_to(folder.resolve()) or path.is_symlink():
        raise UserError(f"the {what} {name!a} leads out of {folder} by a link: remove the link")
    return path


def _plain(part: str) -> bool:
    # Photos of some systems have spaces of unusual widths in their names.
    odd = [c for c in part if not c.isprintable() and unicodedata.category(c) != "Zs"]
    return bool(part) and part[0] != "." and "\\" not in part and not odd and len(part.encode()) <= 255


def sha256_bytes(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """Return the hexadecimal SHA-256 of a JSON value written in canonical form (sorted keys, no spaces)."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in blocks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def single_writer(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; a second writer is refused at once.

    The lock is the kernel's (`flock`), so it is gone with the process, however that ends; its file stays (`.lock`).

    Raises:
        UserError: Another process is writing to the folder, or its lock is a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    if lock.is_symlink():
        raise UserError(f"{lock} is a link, and nothing is written through links: remove it")
    with open(lock, "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is writing to {folder}: wait for it or choose another folder") from None
        yield
