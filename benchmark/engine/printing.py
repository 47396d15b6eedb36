"""What is printed: names and texts of strangers reach the terminal as texts, never as orders to it."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_UNUSUAL = re.compile(r"[^\n\t -~]")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible(text: str) -> str:
    r"""Return a text as it is printed: line breaks and tabs stay, whatever else is not seen is shown as its code.

    A terminal obeys control characters: ESC clears the screen, changes the title, answers for the user; others turn the
    direction of writing. The codes are those of JSON, `\u202e`, so that JSON stays what it is; ESC and its like, which
    JSON never holds, become `\x1b`.
    """
    return text if text.isascii() and text.isprintable() else _UNUSUAL.sub(_code, text)


def _code(match: re.Match[str]) -> str:
    character = match[0]
    if unicodedata.category(character) not in _HIDDEN:
        return character
    if character < " ":
        return f"\\x{ord(character):02x}"
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


class VisibleStream:
    """A text stream that prints through `visible`, and codes for what its encoding does not have.

    Arguments:
        stream: Where the text goes.
    """

    encoding = "utf-8"  # every text can be given; or click would open a stream of its own
    errors = "backslashreplace"

    def __init__(self, stream: Any) -> None:
        # rich, which draws bars and tables and escapes what it is given, writes to the stream below.
        self.rich_proxied_file = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)

    def write(self, text: str) -> int:
        """Print a text; bars of other packages begin with a carriage return, which stays one on stderr."""
        bar = text.startswith("\r") and self.rich_proxied_file is sys.__stderr__
        told = "\r" + visible(text[1:]) if bar else visible(text)
        with _named():
            try:
                self.rich_proxied_file.write(told)
            except UnicodeEncodeError:
                encoding = self.rich_proxied_file.encoding
                self.rich_proxied_file.write(told.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Hand over what was printed."""
        with _named():
            self.rich_proxied_file.flush()

    def writelines(self, lines: Iterable[str]) -> None:
        """Print several texts."""
        for line in lines:
            self.write(line)


@contextmanager
def _named() -> Iterator[None]:
    """Have errors of the block say that it was the output that could not be written."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or "the output"
        raise


@contextmanager
def visible_streams() -> Iterator[None]:
    """Print through `visible` on stdout and stderr while the block runs; one that is closed stays so."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if stream is None or isinstance(stream, VisibleStream) else VisibleStream(stream)  # type: ignore[assignment]
        for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
