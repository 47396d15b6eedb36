"""How long and how much a download may take, and the watch that is kept over every byte of an answer."""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a download may take.

    Arguments:
        connect: Seconds to find an address, and again to connect to it.
        patience: Seconds without a byte after which a server counts as out of reach.
        window: Seconds over which the lowest rate is measured.
        lowest: Bytes a second below which a download is given up.
        total: Seconds after which it is given up all the same; what has arrived is kept.
        largest: Bytes; no file may be longer.
        head: Bytes that an answer may have before its body.
        hops: How often an address may lead to another one.
    """

    connect: float = 5.0
    patience: float = 30.0
    window: float = 60.0
    lowest: float = 10_000.0
    total: float = 86_400.0
    largest: int = 8 << 30
    head: int = 1 << 18
    hops: int = 5


LIMITS = Limits()


@dataclass
class Watch:
    """Counts the bytes of one answer and raises `TimeoutError` or `OverflowError` when a limit is passed.

    Arguments:
        limits: The limits.
        allowed: Bytes that may still arrive; at first those of the head.
    """

    limits: Limits
    allowed: int = 0
    _began: float = field(default_factory=time.monotonic)
    _since: float = field(default_factory=time.monotonic)
    _seen: int = 0

    def __post_init__(self) -> None:
        self.allowed = self.limits.head

    def before(self) -> float:
        """Return how many seconds the next bytes may take."""
        left = self._began + self.limits.total - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"it took more than {self.limits.total:g} s")
        return min(self.limits.patience, left)

    def after(self, count: int) -> None:
        """Count bytes that have arrived."""
        self.allowed -= count
        if self.allowed < 0:
            raise OverflowError("more bytes came than belong there")
        self._seen += count
        spent = time.monotonic() - self._since
        if spent < self.limits.window:
            return
        if self._seen < self.limits.lowest * spent:
            raise TimeoutError(f"less than {self.limits.lowest / 1000:g} kB/s came in {spent:.0f} s")
        self._since, self._seen = time.monotonic(), 0


class WatchedResponse(HTTPResponse):
    """An answer whose every byte, head and framing included, passes a watch."""

    def __init__(self, sock: socket.socket, *arguments: Any, watch: Watch, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp: Any = io.BufferedReader(_Watched(self.fp.detach(), sock, watch))


class _Watched(io.RawIOBase):
    def __init__(self, inner: io.RawIOBase, sock: socket.socket, watch: Watch) -> None:
        self.inner, self.sock, self.watch = inner, sock, watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self.sock.settimeout(self.watch.before())
        count = self.inner.readinto(buffer)  # type: ignore[attr-defined]
        self.watch.after(count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self.inner.close()
        super().close()
