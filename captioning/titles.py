"""The authors' caption files: `daclip_<split>.csv`, tab-separated, with the columns filepath and title."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from captioning.text import join_text, split_text, split_words
from models.errors import UserError

COLUMNS = ("filepath", "title")
SPLIT_NAMES = {"train": "train", "val": "test", "test": "test"}
"""How the authors call the splits, and what they are here."""

_WORD = "[a-z0-9]+(?:[- ][a-z0-9]+)*"
_WORDS = re.compile(f"{_WORD}(?:, {_WORD})*")


@dataclass(frozen=True)
class Title:
    """One row of a caption file.

    Arguments:
        split: `"train"` or `"test"`, or None when neither the path nor the file's name tells it.
        degradation: The type: the folder above `LQ`, or else the word that the title ends in.
        name: File name of the degraded image.
        caption: Text about the clean image.
        words: What the title says is wrong with the degraded image; one word, or several for a mixture.
    """

    split: str | None
    degradation: str
    name: str
    caption: str
    words: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The file name without its ending."""
        return PurePosixPath(self.name).stem


def file_name(split: str) -> str:
    """Return how the authors call the caption file of a split, e.g. `"daclip_val.csv"` for `"test"`."""
    return f"daclip_{next(theirs for theirs, ours in SPLIT_NAMES.items() if ours == split)}.csv"


def parse_titles(data: bytes, *, name: str) -> list[Title]:
    """Read a caption file.

    Arguments:
        data: Its bytes: UTF-8, with or without a byte-order mark.
        name: What it is called, for errors; `daclip_train.csv` and the like also tell the split.

    Raises:
        UserError: It is not UTF-8, a column is missing, or a title does not end in ": <degradation>"; the line is told.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
    stem = PurePosixPath(name.replace("\\", "/")).stem
    split = SPLIT_NAMES.get(stem.removeprefix("daclip_")) if stem.startswith("daclip_") else None
    titles: list[Title] = []
    try:
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise UserError(f"{name} needs the tab-separated columns filepath and title, found {rows.fieldnames}")
        for row in rows:
            caption, degradation = split_text(row["title"] or "")
            if not _WORDS.fullmatch(degradation):
                raise UserError(f"{name}, line {rows.line_num}: {row['title']!r} does not end in ': <degradation>'")
            parts = PurePosixPath((row["filepath"] or "").replace("\\", "/")).parts
            if not parts:
                raise UserError(f"{name}, line {rows.line_num}: the filepath is empty")
            words = split_words(degradation)
            kind, found = _place(parts)
            titles.append(Title(found or split, kind or degradation, parts[-1], caption, words))
    except csv.Error as error:
        raise UserError(f"{name}, line {rows.line_num}: not a tab-separated file ({error})") from None
    return titles


def _place(parts: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return type and split of a path `.../<split>/<type>/LQ/...`, as far as it has that form."""
    for index in range(len(parts) - 2, 1, -1):
        if parts[index] == "LQ" and parts[index - 2] in SPLIT_NAMES:
            return parts[index - 1], SPLIT_NAMES[parts[index - 2]]
    return None, None


def render_titles(rows: Iterable[tuple[str, str, str]]) -> bytes:
    r"""Return a caption file as `pandas.DataFrame.to_csv(sep="\t", index=False)` writes it.

    A field that holds a carriage return is put in quotes too, which pandas forgets: readers would end the row there.

    Arguments:
        rows: Path of the degraded image, caption, and degradation of each row.
    """
    lines = ["\t".join(COLUMNS)]
    lines += [f"{_quoted(path)}\t{_quoted(join_text(caption, words))}" for path, caption, words in rows]
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _quoted(field: str) -> str:
    if not any(character in field for character in '\t"\n\r'):
        return field
    return '"' + field.replace('"', '""') + '"'
