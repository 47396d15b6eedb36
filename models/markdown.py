"""Markdown's primitives: text that stands for itself, inline code, aligned tables readable as plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote

_SPECIAL = re.compile(r"([\\|*`]|\](?=\())")
_BARE_PIPE = re.compile(r"(?<!\\)\|")
_CODED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def shown(text: str) -> str:
    r"""Return a text of strangers as it may stand in any message or page: what is not seen is shown as its code.

    Control characters (ESC among them), marks that turn the direction of writing, characters without width and broken
    ones become `\x1b` or `\u202e`. Line breaks and tabs are among them: join lines before where they are welcome.
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _CODED else c for c in text)


def escape(text: str) -> str:
    """Make `text` stand for itself inside a table: pipes, emphasis, code, links, tags and unseen characters."""
    plain = shown(" ".join(text.split()))
    return _SPECIAL.sub(r"\\\1", plain).replace("&", "&amp;").replace("<", "&lt;")


def code(text: str) -> str:
    """Return `text` as inline code, fenced with more backticks than it holds in a row."""
    text = shown(" ".join(text.split())) or " "
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def block(text: str, language: str = "") -> str:
    """Return lines as a block of code, fenced with more backticks than they hold in a row."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join(shown(line) for line in text.rstrip("\n").split("\n"))
    return f"{fence}{language}\n{body}\n{fence}"


def target(path: str) -> str:
    """Return a path below the page as the target of a link: nothing in it ends the link or names a scheme."""
    return quote(path, safe="/._-+~,=", errors="surrogatepass")


def link(text: str, path: str) -> str:
    """Return a link to a path below the page; put "!" before it and it is a picture."""
    label = re.sub(r"(?<!\\)([\[\]])", r"\\\1", escape(text))
    return f"[{label}]({target(path)})"


def cell(text: str) -> str:
    """Return Markdown as it may stand in a cell: a table sees a pipe even inside of code."""
    return _BARE_PIPE.sub(r"\\|", text)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[bool]) -> str:
    """Lay out an aligned Markdown table; the texts are Markdown already.

    Arguments:
        headers: Column heads; pipes are seen to.
        rows: Cells, as many in each row as there are heads.
        numeric: Which columns are aligned to the right.
    """
    columns = [[cell(text) for text in column] for column in zip(headers, *rows, strict=True)]
    widths = [max(3, *(len(text) for text in column)) for column in columns]

    def line(texts: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(texts, widths, numeric, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + ":" if right else "-" * width for width, right in zip(widths, numeric, strict=True)]
    head, *body = zip(*columns, strict=True)
    return "\n".join([line(head), line(rule), *[line(row) for row in body]])
