"""Markdown's primitives: text that stands for itself, inline code, aligned tables readable as plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_SPECIAL = re.compile(r"([\\|*`]|\](?=\())")
_CODED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def shown(text: str) -> str:
    r"""Return a text of strangers as it may stand in any message or page: what is not seen is shown as its code.

    Control characters (ESC among them), marks that turn the direction of writing, characters without width and broken
    ones become `\x1b` or `\u202e`. Line breaks and tabs are among them: join lines before where they are welcome.
    """
    return "".join(c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _CODED else c for c in text)


def escape(text: str) -> str:
    """Make `text` stand for itself inside a table: pipes, emphasis, code, links, tags and unseen characters."""
    plain = shown(" ".join(text.split()))
    return _SPECIAL.sub(r"\\\1", plain).replace("&", "&amp;").replace("<", "&lt;")


def code(text: str) -> str:
    """Return `text` as inline code, fenced with more backticks than it holds in a row."""
    text = shown(" ".join(text.split()))
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[bool]) -> str:
    """Lay out an aligned Markdown table; the texts are Markdown already.

    Arguments:
        headers: Column heads.
        rows: Cells, as many in each row as there are heads.
        numeric: Which columns are aligned to the right.
    """
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(3, *(len(text) for text in column)) for column in columns]

    def line(texts: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(texts, widths, numeric, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + ":" if right else "-" * width for width, right in zip(widths, numeric, strict=True)]
    return "\n".join([line(headers), line(rule), *[line(row) for row in rows]])
