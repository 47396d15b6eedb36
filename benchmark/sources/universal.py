"""The authors' own layout: `<split>/<type>/{LQ,GT}` with optional tab-separated caption files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from benchmark.sources.folders import find_pair, pair_samples, require_folder
from benchmark.sources.samples import Sample
from captioning.text import split_text
from models.errors import UserError, close_match
from models.vocabulary import DEGRADATIONS

SPLIT_FOLDERS = {"train": "train", "val": "test", "test": "test"}
"""The authors call the test set "val"."""


def read(root: Path | None) -> Iterator[Sample]:
    """Yield the pairs of a dataset laid out as the authors' code expects it.

    Arguments:
        root: Folder holding `train/<type>/{LQ,GT}` and/or `val/<type>/{LQ,GT}` (`test` is accepted for `val`). Captions
            are taken from `daclip_train.csv` and `daclip_val.csv` when they lie there.

    Raises:
        UserError: No such folders, an unknown type, images without a partner, or a broken caption file.
    """
    root = require_folder(root, "universal")
    splits = [name for name in SPLIT_FOLDERS if (root / name).is_dir()]
    if not splits:
        raise UserError(f"no train/ or val/ folder in {root}: expected <split>/<type>/{{LQ,GT}}")
    if {"val", "test"} <= set(splits):
        raise UserError(f"both val/ and test/ are in {root}: keep one of them, they name the same split")
    for folder in splits:
        types = sorted(p.name for p in (root / folder).iterdir() if p.is_dir() and not p.name.startswith("."))
        for word in types:
            if word not in DEGRADATIONS:
                raise UserError(
                    f"folder {root / folder / word} is no known degradation{close_match(word, DEGRADATIONS)}"
                )
        captions = read_captions(root / f"daclip_{folder}.csv")
        for degradation in (word for word in DEGRADATIONS if word in types):
            pair = find_pair(root / folder / degradation)
            if pair is None:
                raise UserError(f"no LQ and GT folders in {root / folder / degradation}")
            yield from pair_samples(
                *pair,
                source="universal",
                split=SPLIT_FOLDERS[folder],
                degradation=degradation,
                captions=captions.get(degradation, {}),
            )


def read_captions(path: Path) -> dict[str, dict[str, str]]:
    """Read a caption file of the authors: `{degradation: {file name of the degraded image: caption}}`.

    Arguments:
        path: Tab-separated file with the columns `filepath` and `title`, the title being "<caption>: <degradation>".

    Returns:
        Captions without their degradation; empty when there is no such file.

    Raises:
        UserError: A column is missing or a title does not end in a known degradation; the line is named.
    """
    if not path.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    with open(path, encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle, delimiter="\t")
        if not {"filepath", "title"} <= set(rows.fieldnames or ()):
            raise UserError(f"{path} needs the tab-separated columns filepath and title, found {rows.fieldnames}")
        for row in rows:
            caption, degradation = split_text(row["title"] or "")
            if degradation not in DEGRADATIONS:
                raise UserError(f"{path}, line {rows.line_num}: {row['title']!r} does not end in ': <degradation>'")
            name = PurePosixPath(row["filepath"].replace("\\", "/")).name
            found.setdefault(degradation, {})[name] = caption
    return found
