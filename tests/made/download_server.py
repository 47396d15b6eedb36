"""A server on 127.0.0.1 that answers a download in every wrong way, byte by byte as a trial wants it."""

from __future__ import annotations

import contextlib
import io
import re
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LONGEST = 8.0
"""Seconds after which an answer ends whatever it was to be."""

RESET = object()
"""In place of bytes: the connection is torn down at once."""


@dataclass(frozen=True)
class Asked:
    """A request: its path, its headers with names in lower case, and how many came before it."""

    path: str
    headers: dict[str, str]
    number: int

    @property
    def start(self) -> int:
        """Where the part that is asked for begins; 0 when all is asked for."""
        found = re.match(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else 0


Behaviour = Callable[[Asked], Iterator["bytes | float | object"]]
"""Yields the bytes of an answer, seconds to wait, or RESET."""


@dataclass
class Server:
    """The server; `behaviour` may be set at any time."""

    address: str = ""
    behaviour: Behaviour = lambda asked: iter(())
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving_badly() -> Iterator[Server]:
    """Serve while the block runs."""
    server, stop = Server(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    server.address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def listen() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                connection, _ = listener.accept()
                threading.Thread(target=_answer, args=(server, connection), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join()
        listener.close()


def _answer(server: Server, connection: socket.socket) -> None:
    end = time.monotonic() + LONGEST
    connection.settimeout(2.0)
    with connection, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head and len(head) < 100_000:
            block = connection.recv(4096)
            if not block:
                return
            head += block
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.split(":", 1) for line in lines if ":" in line]
        told = {name.strip().lower(): value.strip() for name, value in pairs}
        asked = Asked(first.split(" ")[1], told, len(server.asked))
        server.asked.append(asked)
        for piece in server.behaviour(asked):
            if time.monotonic() > end:
                return
            if piece is RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if isinstance(piece, bytes):
                connection.sendall(piece)
            elif isinstance(piece, float):
                time.sleep(piece)
        connection.shutdown(socket.SHUT_WR)


def head(status: int | str, *lines: str) -> bytes:
    """Return the head of an answer."""
    first = status if isinstance(status, str) else f"HTTP/1.1 {status} As The Test Wants"
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def chunked(data: bytes, size: int = 4000) -> bytes:
    """Return data in chunks, without the last and empty one."""
    parts = [data[place : place + size] for place in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def archive(seed: int, size: int = 30_000) -> bytes:
    """Return a zip archive as PyTorch's files are; those of all seeds are equally long."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        content = bytes((seed + 31 * place) % 251 for place in range(size))
        made.writestr(zipfile.ZipInfo("model/data.pkl"), content)
        made.writestr(zipfile.ZipInfo("model/data/0"), bytes(reversed(content)))
    return buffer.getvalue()


def honest(data: bytes, tag: str = '"one"', *, stop: int | None = None) -> Behaviour:
    """Return the behaviour of a good server, which may break off after so many bytes of the file."""

    def answer(asked: Asked) -> Iterator[bytes]:
        start = asked.start if asked.headers.get("if-range", tag) == tag else 0
        if start >= len(data):
            yield head(416, f"Content-Range: bytes */{len(data)}", "Content-Length: 0")
            return
        place = f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}"
        lines = (f"Content-Length: {len(data) - start}", f"ETag: {tag}", *((place,) if start else ()))
        yield head(206 if start else 200, *lines)
        yield data[start : len(data) if stop is None else max(start, stop)]

    return answer
