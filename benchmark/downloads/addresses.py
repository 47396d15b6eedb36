"""One file from one address: proven to be the published one or at least whole, and continued where it broke off."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from http.client import BadStatusLine, HTTPException, HTTPResponse
from pathlib import Path

from benchmark.downloads.completeness import incomplete
from benchmark.downloads.framing import Framing, framing
from benchmark.downloads.limits import LIMITS, Limits, Watch
from benchmark.downloads.partials import Partial
from benchmark.downloads.transport import Refused, asked
from models.errors import UserError
from models.files import sha256_file
from models.markdown import shown

BLOCK = 1 << 20

ROOM = 16 << 20
"""Bytes that stay free on the disk."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR)
"""Troubles that are the disk's and not the network's."""

Tell = Callable[[int, int | None], None]
"""Takes the bytes that are there and, where it is known, how many there will be."""


class OutOfReach(UserError):
    """A source gave nothing; the message says why. Another source may still do."""


class Damaged(UserError):
    """A source gave something else than the published file."""


class _Anew(Exception):
    """What has arrived cannot be continued: the file is to be fetched from its beginning."""


def download(
    url: str,
    out: Path,
    *,
    sha256: str = "",
    size: int | None = None,
    tell: Tell = lambda done, total: None,
    limits: Limits = LIMITS,
) -> str:
    """Fetch a file.

    The bytes go to `.NAME.partial` beside `out`, which survives an interruption and is continued by the next call when
    its bytes and the version of the file are still the same. Without a digest the file has to be whole by what the
    server says of its length and by its own structure.

    Arguments:
        url: Where it is.
        out: Where it goes.
        sha256: Its digest; empty when none is known.
        size: Its length, where it is known.
        tell: Called as bytes arrive.
        limits: How long and how much it may take.

    Returns:
        The SHA-256 of the file.

    Raises:
        OutOfReach: The address does not answer, refuses, or broke off; what has arrived is kept.
        Damaged: The whole file arrived and is another one; it is removed.
        UserError: The disk has no room for it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Partial.kept(out, url, proven=bool(sha256))
    try:
        try:
            _continue(part, sha256, size, tell, limits)
            wrong = _wrong(part, sha256)
            if wrong and part.joined:
                raise _Anew
        except _Anew:
            part.drop()
            part = Partial.none(out, url)
            _continue(part, sha256, size, tell, limits)
            wrong = _wrong(part, sha256)
    except (OSError, HTTPException, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise
        raise OutOfReach(f"{url} is out of reach ({_why(error)})") from None
    if wrong:
        part.drop()
        raise Damaged(f"what came from {url} {wrong}")
    part.finish()
    return part.digest.hexdigest()


def _why(error: Exception) -> str:
    if isinstance(error, BadStatusLine):  # it repeats what came
        return "its answer is not one of HTTP"
    reason = getattr(error, "reason", None) or error
    return shown(str(reason) or type(reason).__name__)[:200]


def check(path: Path, sha256: str, what: str) -> str:
    """Return the SHA-256 of a file; another one than `sha256` is removed.

    Raises:
        Damaged: It is another file.
    """
    digest = sha256_file(path)
    if digest != sha256:
        path.unlink()
        raise Damaged(f"{what} {_another(digest, sha256)}")
    return digest


def _another(digest: str, sha256: str) -> str:
    return f"has the sha256 {digest[:16]}... and that of the published file begins with {sha256[:16]}"


def _wrong(part: Partial, sha256: str) -> str:
    """Return what is wrong with a file that has arrived, or nothing."""
    if sha256:
        digest = part.digest.hexdigest()
        return "" if digest == sha256 else _another(digest, sha256)
    reason = incomplete(part.path, part.out.name) if part.size else "it is empty"
    return f"is no whole file ({shown(reason)[:200]})" if reason else ""


def _continue(part: Partial, sha256: str, size: int | None, tell: Tell, limits: Limits) -> None:
    """Bring the rest of a file; it is whole afterwards as far as the server's own words go."""
    if sha256 and part.size and part.digest.hexdigest() == sha256:  # killed between the last byte and the new name
        return
    headers = {"User-Agent": "daclip-bench"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator:
            headers["If-Range"] = part.validator
    with asked(part.url, headers, limits) as (answer, watch):
        told = _framing(answer, part)
        if told.start:
            part.joined = True
        else:
            part.drop()
            fresh = Partial.none(part.out, part.url)
            part.size, part.digest, part.total, part.validator = 0, fresh.digest, told.total, told.validator
        if not (told.framed or sha256):
            raise Refused("it does not tell how long the file is, so that a part could be taken for the whole")
        _check_room(part, size, limits)
        _read(part, answer, watch, size or limits.largest, tell)


def _framing(answer: HTTPResponse, part: Partial) -> Framing:
    """Return what an answer says of its body, if it is the file or the part that was asked for."""
    if answer.status == 416 and part.size:  # whatever it says of the length: only the bytes themselves are proof
        raise _Anew
    if answer.status not in ((200, 206) if part.size else (200,)):
        raise Refused(f"it answers {answer.status} {answer.reason[:60]}".rstrip())
    if answer.status == 200:
        return framing(answer.headers, part=False)
    try:
        told = framing(answer.headers, part=True)
    except Refused:
        raise _Anew from None
    other = part.validator and told.validator and told.validator != part.validator
    if told.start != part.size or part.total not in (None, told.total) or other:
        raise _Anew
    return told


def _check_room(part: Partial, size: int | None, limits: Limits) -> None:
    total = part.total
    if total is None:
        return
    if size is not None and total != size:
        raise Refused(f"it offers {total} bytes and the published file has {size}")
    if total > limits.largest:
        raise Refused(f"it offers {total} bytes, more than the {limits.largest} that any weights have")
    free = shutil.disk_usage(part.out.parent).free
    if free < total - part.size + ROOM:
        raise UserError(
            f"{part.out.name} needs {(total - part.size) / 1e6:.0f} MB and {part.out.parent} has {free / 1e6:.0f} MB "
            "free: make room, or choose another --folder"
        )


def _read(part: Partial, answer: HTTPResponse, watch: Watch, most: int, tell: Tell) -> None:
    end = most if part.total is None else part.total
    # The framing of chunks may be as long as what it frames where they are tiny.
    watch.allowed = 2 * (end - part.size) + watch.limits.head
    with part.open() as file:
        try:
            while part.size < end or part.total is None:
                block = answer.read1(min(BLOCK, end - part.size + 1) if part.total is None else end - part.size)
                if not block:
                    break
                if part.size + len(block) > end:
                    raise Refused(f"it sends more than {end} bytes")
                part.add(file, block)
                tell(part.size, part.total)
        finally:
            if part.size != part.total:
                part.note(file)
    if part.total is not None and part.size != part.total:
        raise HTTPException(f"it broke off after {part.size} of {part.total} bytes")
