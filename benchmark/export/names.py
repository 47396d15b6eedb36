"""File names whose alphabetical order is the order of the dataset, whatever the file endings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from models.files import sha256_bytes
from models.vocabulary import in_order

SPLIT_FOLDERS = {"train": "train", "test": "val"}
"""The authors call the test set "val"."""

LONGEST = 120
_UNSAFE = re.compile(r"[^\w-]+")
_DIGITS = re.compile(r"\d+")


def by_type(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the rows of each type, types in the paper's order, rows in the dataset's."""
    types = in_order(row["degradation"] for row in rows)
    return {word: [row for row in rows if row["degradation"] == word] for word in types}


def file_stems(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a file stem for each row of one split and type.

    The official loader pairs degraded and clean files by sorting the full paths, so stems hold no dot: otherwise
    `a.jpg` and `a.1.png` would change places when an ending differs. The last part of the key is kept where that is
    unique and in order; else more of the key is taken, numbers are padded with zeros, and at last a running number goes
    in front.

    Arguments:
        rows: Rows with `key`, in the dataset's order.
    """
    keys = [row["key"].split("/") for row in rows]
    short = [_safe(parts[-1]) for parts in keys]
    if not _unique(short):
        common = 0
        while all(len(parts) > common + 1 and parts[common] == keys[0][common] for parts in keys):
            common += 1
        short = [_safe("_".join(parts[common:])) for parts in keys]
    for stems in (short, _padded(short)):
        if _unique(stems) and _in_order(stems):
            return stems
    width = len(str(len(rows)))
    return [f"{number:0{width}d}_{stem}" for number, stem in enumerate(short, start=1)]


def _safe(text: str) -> str:
    stem = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip("_") or "image"
    return stem if len(stem) <= LONGEST else f"{stem[:LONGEST]}_{sha256_bytes(text.encode())[:8]}"


def _unique(stems: Sequence[str]) -> bool:
    return len({unicodedata.normalize("NFKC", stem).casefold() for stem in stems}) == len(stems)


def _in_order(stems: Sequence[str]) -> bool:
    names = [f"{stem}." for stem in stems]  # the dot that begins the ending sorts before letters and after "-"
    return names == sorted(names)


def _padded(stems: Sequence[str]) -> list[str]:
    """Pad the first number of all stems to one width, the second to another, and so on."""
    widths: list[int] = []
    for stem in stems:
        for place, digits in enumerate(_DIGITS.findall(stem)):
            if place == len(widths):
                widths.append(0)
            widths[place] = max(widths[place], len(digits))

    def pad(stem: str) -> str:
        width = iter(widths)
        return _DIGITS.sub(lambda digits: digits.group().zfill(next(width)), stem)

    return [pad(stem) for stem in stems]
