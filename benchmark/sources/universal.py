"""The authors' own layout: `<split>/<type>/{LQ,GT}` with optional tab-separated caption files."""

from __future__ import annotations

import difflib
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from benchmark.sources.cards import SourceCard
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import Named, pair_samples
from benchmark.sources.pairing import RULES
from benchmark.sources.samples import Rejected, Sample
from captioning.titles import Title, parse_titles
from models.errors import UserError
from models.vocabulary import DEGRADATIONS, check_word, in_order

CARD = SourceCard(
    name="universal",
    target="benchmark.sources.universal:read",
    title="The authors' layout",
    degradations=DEGRADATIONS,
    licence="that of the sets inside",
    citation="Luo et al., Controlling Vision-Language Models for Multi-Task Image Restoration, ICLR 2024",
    bibtex="""@inproceedings{luo2024controlling,
  author = {Luo, Ziwei and Gustafsson, Fredrik K. and Zhao, Zheng and Sj{\\"o}lund, Jens and Sch{\\"o}n, Thomas B.},
  title = {Controlling Vision-Language Models for Multi-Task Image Restoration},
  booktitle = {ICLR},
  year = {2024}
}""",
    obtain="https://github.com/Algolzw/daclip-uir (README, dataset preparation)",
    layout="{train,val}/<type>/{LQ,GT}/* with optional daclip_{train,val}.csv beside train and val",
)

SPLIT_FOLDERS = {"train": "train", "val": "test", "test": "test"}
"""The authors call the test set "val"."""

ROLES = ("LQ", "GT")
SIMILAR = 0.75
"""A folder whose name is so close to one of the ten words is taken for a slip of the pen, not for a further type."""

Group = tuple[str, str, str]
"""Split folder, type and role."""


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of a dataset laid out as the authors' code expects it; keys end in the path below `LQ`.

    Arguments:
        tree: Holds `train/<type>/{LQ,GT}` and/or `val/<type>/{LQ,GT}` (`test` is accepted for `val`), images at any
            depth below. Types beyond the ten are further types. Captions are taken from `daclip_train.csv` and
            `daclip_val.csv` when they lie there.

    Raises:
        UserError: No such folders, a type that looks misspelt, a type without pairs, or a broken caption file.
    """
    groups: dict[Group, list[Named]] = defaultdict(list)
    elsewhere: dict[tuple[str, str], Entry] = {}
    for entry in tree.images():
        placed = place_of(entry.path)
        if placed is not None:
            group, below = placed
            groups[group].append((str(below.with_suffix("")), entry))
        elif (type_folder := type_of(entry.path)) is not None:
            elsewhere.setdefault(type_folder, entry)
    if not groups:
        return
    for type_folder, entry in elsewhere.items():
        if type_folder not in {group[:2] for group in groups}:
            raise UserError(
                f"no LQ and GT folders in {'/'.join(type_folder)}, where {entry.name} lies: move its images"
            )
    splits = {folder for folder, _, _ in groups}
    if {"val", "test"} <= splits:
        raise UserError(f"both val/ and test/ are in {tree.where}: keep one of them, they name the same split")
    for word in {word for _, word, _ in groups}:
        check_type(word, tree.where)
    for folder in (name for name in SPLIT_FOLDERS if name in splits):
        captions = read_captions(tree, f"daclip_{folder}.csv")
        for word in in_order(word for split, word, _ in groups if split == folder):
            told = captions.get(word, {})
            for found in pair_samples(
                groups[folder, word, "LQ"],
                groups[folder, word, "GT"],
                source="universal",
                split=SPLIT_FOLDERS[folder],
                degradation=word,
                rules=RULES,
            ):
                yield with_title(found, told)


def place_of(path: PurePosixPath) -> tuple[Group, PurePosixPath] | None:
    """Return `(split folder, type, role)` of a file and its path below these, or None when it lies elsewhere."""
    parts = path.parts
    for start in range(len(parts) - 3):
        folder, word, role = parts[start].lower(), parts[start + 1], parts[start + 2].upper()
        if folder in SPLIT_FOLDERS and role in ROLES:
            return (folder, word, role), PurePosixPath(*parts[start + 3 :])
    return None


def type_of(path: PurePosixPath) -> tuple[str, str] | None:
    """Return `(split folder, type)` of a file below one of the ten types, in whatever folder it lies there."""
    parts = path.parts[:-1]
    for folder, word in itertools.pairwise(parts):
        if folder.lower() in SPLIT_FOLDERS and word in DEGRADATIONS:
            return folder.lower(), word
    return None


def check_type(word: str, where: str) -> None:
    """Refuse a type that is no word, or so close to one of the ten that it must be a slip of the pen.

    Raises:
        UserError: It is; the message says how to go on.
    """
    near = difflib.get_close_matches(word.lower(), DEGRADATIONS, n=1, cutoff=SIMILAR)
    if word not in DEGRADATIONS and near:
        raise UserError(f"folder {word!r} in {where} is no known degradation - did you mean {near[0]!r}? Rename it")
    try:
        check_word(word)
    except UserError as error:
        raise UserError(f"folder {word!r} in {where}: {error}") from None


def with_title(found: Sample | Rejected, titles: Mapping[str, Title]) -> Sample | Rejected:
    """Return a sample with its caption, and with the words of its title where these say more than the type."""
    if isinstance(found, Rejected) or not isinstance(found.degraded, Entry):
        return found
    title = titles.get(found.degraded.path.name)
    if title is None:
        return found
    return replace(found, caption=title.caption, words=title.words if title.words != (found.degradation,) else ())


def read_captions(tree: Tree, file: str) -> dict[str, dict[str, Title]]:
    """Read a caption file of the authors: `{type: {file name of the degraded image: title}}`.

    Arguments:
        tree: Where it may lie, in any folder.
        file: Its name.

    Returns:
        Empty when there is no such file.

    Raises:
        UserError: It is not UTF-8, a column is missing or a title does not end in a degradation; the line is named.
    """
    found: dict[str, dict[str, Title]] = {}
    for entry in (entry for entry in tree.entries if entry.path.name.lower() == file):
        for title in parse_titles(bytes_of(entry), name=entry.name):
            found.setdefault(title.degradation, {})[title.name] = title
    return found


def text_of(entry: Entry) -> str:
    """Return the text of a file.

    Raises:
        UserError: It cannot be read or is not UTF-8.
    """
    try:
        return bytes_of(entry).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{entry.name} is not UTF-8 text: save it as UTF-8") from None


def bytes_of(entry: Entry) -> bytes:
    """Return the bytes of a file.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return entry.read()
    except OSError as error:
        raise UserError(f"{entry.name} cannot be read: {error.strerror or error}") from None
