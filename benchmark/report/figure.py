"""Figures as PNG files that carry the digest of their numbers, so that a stale one is told without drawing it again."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.files import sha256_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY = "Description"


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn.

    Arguments:
        draw: Makes it.
        numbers: All that it depends on, as a JSON value; the version of the drawing code is part of it.
    """

    draw: Callable[[], Figure]
    numbers: Any

    @property
    def digest(self) -> str:
        """What the file carries: text rendering differs between machines, so that bytes cannot be compared."""
        return f"numbers sha256 {sha256_json(self.numbers)}"

    def png(self) -> bytes:
        """Draw it; the same numbers give the same bytes on one machine."""
        buffer = io.BytesIO()
        with plain_text():
            self.draw().savefig(buffer, format="png", dpi=120, metadata={"Software": None, KEY: self.digest})
        return buffer.getvalue()

    def is_drawn(self, path: Path) -> bool:
        """Say whether a file is this figure: a whole PNG that carries the digest of the same numbers."""
        return path.is_file() and text_of(path.read_bytes(), KEY) == self.digest


@contextmanager
def plain_text() -> Iterator[None]:
    """Draw texts as they are: between dollar signs matplotlib would read formulas, and refuse those that are none."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}):
        yield


def text_of(png: bytes, key: str) -> str | None:
    """Return a text that a PNG file carries, or None when it has no such text or is damaged."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    place, found = 8, None
    while place + 12 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        chunk = png[place + 4 : place + 8 + length]
        checksum = png[place + 8 + length : place + 12 + length]
        if len(checksum) < 4 or struct.unpack(">I", checksum)[0] != zlib.crc32(chunk):
            return None
        name, _, text = chunk[4:].partition(b"\0")
        if chunk[:4] == b"tEXt" and name == key.encode("latin-1"):
            found = text.decode("latin-1")
        if chunk[:4] == b"IEND":
            return found
        place += 12 + length
    return None


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
