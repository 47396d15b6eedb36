"""What an answer says about its length, its version and its place in a file, and whether that is consistent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message
from email.utils import parsedate_to_datetime

from benchmark.downloads.transport import Refused

SETTLED = timedelta(seconds=60)
"""A time of the last change proves the version of a file only when it was so long ago by the server's own clock."""


@dataclass(frozen=True, kw_only=True)
class Framing:
    """What an answer says about its body.

    Arguments:
        start: Where in the file its first byte belongs.
        total: Length of the file, where it is told.
        framed: Whether a body that breaks off can be told from a whole one.
        validator: What identifies this version of the file for `If-Range`; empty when nothing does.
    """

    start: int
    total: int | None
    framed: bool
    validator: str


def framing(headers: Message, *, part: bool) -> Framing:
    """Read the headers of an answer.

    Arguments:
        headers: The headers.
        part: Whether the answer is a part of a file (status 206).

    Raises:
        Refused: They contradict each other, or the body is packed.
    """
    packed = (headers.get("Content-Encoding") or "identity").strip().lower()
    if packed != "identity":
        raise Refused(f"the answer is packed ({packed[:20]!a}) though that was not asked for")
    lengths = {value.strip() for value in headers.get_all("Content-Length") or ()}
    transfer = [value.strip().lower() for value in headers.get_all("Transfer-Encoding") or ()]
    if len(lengths) + len(transfer) > 1 or any(not re.fullmatch(r"[0-9]{1,18}", value) for value in lengths):
        raise Refused("the answer contradicts itself about its length")
    if transfer and transfer != ["chunked"]:
        raise Refused(f"the answer is packed ({transfer[0][:20]!a}) though that was not asked for")
    length = int(lengths.pop()) if lengths else None
    start, total = 0, length
    if part:
        told = headers.get_all("Content-Range") or ()
        place = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", told[0].strip()) if told else None
        if place is None or len(told) > 1:
            raise Refused("the answer does not tell which part of the file it is")
        start, last, total = (int(number) for number in place.groups())
        if last != total - 1 or length not in (None, total - start):
            raise Refused("the answer contradicts itself about its part of the file")
    framed = length is not None or bool(transfer)
    return Framing(start=start, total=total, framed=framed, validator=_validator(headers))


def _validator(headers: Message) -> str:
    tag = (headers.get("ETag") or "").strip()
    if re.fullmatch(r'"[!#-~]{1,200}"', tag):
        return tag
    changed, now = headers.get("Last-Modified") or "", headers.get("Date") or ""
    try:
        settled = parsedate_to_datetime(now) - parsedate_to_datetime(changed) >= SETTLED
    except (ValueError, TypeError, IndexError):
        return ""
    return changed.strip() if settled and changed.isascii() and changed.isprintable() else ""
