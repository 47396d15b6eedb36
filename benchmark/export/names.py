"""File names whose alphabetical order is the order of the dataset, whatever the file endings.

Keys, types and endings come out of the dataset's files, which anybody may have written: what cannot be a name below the
folder of the export is refused before anything is written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from benchmark.dataset.folder import Dataset
from captioning.tables import UNREADABLE
from models.errors import UserError
from models.files import below, sha256_bytes
from models.images.pixels import EXTENSIONS
from models.vocabulary import in_order

SPLIT_FOLDERS = {"train": "train", "test": "val"}
"""The authors call the test set "val"."""

LONGEST = 120
"""Characters of a stem that are kept."""

LONGEST_BYTES = 160
"""A name may take 255 bytes, of which a number, an ending and the name while it is written take their part."""

_UNSAFE = re.compile(r"[^\w-]+")
_DIGITS = re.compile(r"\d+")


def by_type(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the rows of each type, types in the paper's order, rows in the dataset's."""
    types = in_order(row["degradation"] for row in rows)
    return {word: [row for row in rows if row["degradation"] == word] for word in types}


def split_folder(split: str) -> str:
    """Return the folder of a split, see `SPLIT_FOLDERS`.

    Raises:
        UserError: There is no such split.
    """
    if split not in SPLIT_FOLDERS:
        raise UserError(f"the dataset has a split {split!a}, which cannot be exported: expected train and test")
    return SPLIT_FOLDERS[split]


def image_names(data: Dataset, split: str, out: Path, roles: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the names below the folder of the export that the images of each pair get, by key and role.

    Arguments:
        data: The dataset.
        split: Its split.
        out: The folder.
        roles: Folder of each role, e.g. `{"degraded": "LQ"}`.

    Raises:
        UserError: A type, an ending or a key cannot be part of a name, or two types or keys would have the same files.
    """
    top = split_folder(split)
    found: dict[str, dict[str, str]] = {}
    try:
        suffixes = {role: endings(data, split, role) for role in roles}
        groups = by_type(data.index(split))
    except UNREADABLE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"the rows of {data.folder} cannot be read ({reason}): run bench verify on it") from None
    types: dict[str, str] = {}
    for word, rows in groups.items():
        if not isinstance(word, str) or "/" in word:
            raise UserError(
                f"the type {word!a} in {data.folder} cannot be the name of a folder: build the dataset anew"
            )
        other = types.setdefault(unicodedata.normalize("NFKC", word).casefold(), word)
        if other != word:
            raise UserError(f"the types {other!a} and {word!a} in {data.folder} would share a folder on some systems")
        for folder in roles.values():
            below(out, f"{top}/{word}/{folder}", what="type")
        for row, stem in zip(rows, file_stems(rows), strict=True):
            if row["key"] in found:
                raise UserError(f"the key {row['key']!a} stands twice in {data.folder}: build the dataset anew")
            found[row["key"]] = {
                role: f"{top}/{word}/{folder}/{stem}{suffixes[role][row['key']]}" for role, folder in roles.items()
            }
    return found


def endings(data: Dataset, split: str, role: str) -> dict[str, str]:
    """Return the file ending of each pair's image of a role, by key, without reading any image.

    Raises:
        UserError: An image is stored under a name that does not end as images do.
    """
    found: dict[str, str] = {}
    for shard in data.shards(split):
        table = pq.ParquetFile(shard).read(columns=["key", f"{role}.path"])
        for row in table.to_pylist():
            found[row["key"]] = ending((row[role] or {}).get("path"), row["key"])
    return found


def ending(name: Any, key: str) -> str:
    """Return the ending of the name under which an image is stored.

    Raises:
        UserError: It is not one of an image.
    """
    suffix = PurePosixPath(name).suffix if isinstance(name, str) else ""
    if suffix.lower() not in EXTENSIONS:
        raise UserError(
            f"{key!a}: its image is stored as {name!a}, which does not end as images do ({', '.join(EXTENSIONS)}): "
            "build the dataset anew"
        )
    return suffix


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
        if _unique(stems) and _in_order(stems) and all(len(stem.encode()) <= LONGEST_BYTES for stem in stems):
            return stems
    width = len(str(len(rows)))
    return [f"{number:0{width}d}_{stem}" for number, stem in enumerate(short, start=1)]


def _safe(text: str) -> str:
    stem = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip("_") or "image"
    if len(stem) <= LONGEST and len(stem.encode()) <= LONGEST_BYTES:
        return stem
    kept = stem[:LONGEST].encode()[: LONGEST_BYTES - 9].decode(errors="ignore")
    return f"{kept}_{sha256_bytes(text.encode())[:8]}"


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
