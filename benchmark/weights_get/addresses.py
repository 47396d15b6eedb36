"""One file from one address: checked, whole or absent, and continued where an earlier attempt broke off."""

from __future__ import annotations

import errno
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from models.errors import UserError
from models.files import sha256_file

BLOCK = 1 << 20
PATIENCE = 30.0
"""Seconds without an answer after which an address counts as out of reach."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR)
"""Troubles that are the disk's and not the network's."""

Tell = Callable[[int, int | None], None]
"""Takes the bytes that are there and, where it is known, how many there will be."""


class OutOfReach(UserError):
    """A source gave nothing; the message says why. Another source may still do."""


class Damaged(UserError):
    """A source gave something else than the published file."""


def download(url: str, out: Path, *, sha256: str = "", tell: Tell = lambda done, total: None) -> Path:
    """Fetch a file.

    The bytes go to `.NAME.partial` beside `out`, which survives an interruption and is continued by the next call.

    Arguments:
        url: Where it is.
        out: Where it goes.
        sha256: Its digest or the beginning of it; empty when none is known, and then only its length is checked.
        tell: Called as bytes arrive.

    Returns:
        `out`.

    Raises:
        OutOfReach: The address does not answer, refuses, or broke off; what has arrived is kept.
        Damaged: The whole file arrived and is another one; it is removed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    try:
        _continue(url, partial, tell)
    except urllib.error.HTTPError as error:
        raise OutOfReach(f"{url} answers {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise OutOfReach(f"{url} is out of reach ({reason})") from None
    check(partial, sha256, f"what came from {url}")
    with open(partial, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(partial, out)
    return out


def check(path: Path, sha256: str, what: str) -> str:
    """Return the SHA-256 of a file; one that does not begin with `sha256` is removed.

    Raises:
        Damaged: It is another file.
    """
    digest = sha256_file(path)
    if not digest.startswith(sha256):
        path.unlink()
        raise Damaged(f"{what} has the sha256 {digest[:16]}... and that of the published file begins with {sha256}")
    return digest


def _continue(url: str, partial: Path, tell: Tell) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "daclip-bench"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # nothing is left to send: the file is whole, or it is a longer one than the address has now
        if (error.headers.get("Content-Range") or "").endswith(f"/{have}"):
            return
        partial.unlink()
        answer = urllib.request.urlopen(request.full_url, timeout=PATIENCE)
    with answer:
        place = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
        continued = answer.status == 206 and place is not None and int(place[1]) == have
        done = have if continued else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with open(partial, "ab" if continued else "wb") as handle:
            while block := answer.read(BLOCK):
                handle.write(block)
                done += len(block)
                tell(done, total)
    if total is not None and done != total:
        raise HTTPException(f"it broke off after {done} of {total} bytes")
