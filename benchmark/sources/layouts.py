"""Pairs of folders recognised by their names: a degraded folder and the clean one beside it, in any tree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import Named

FOLDER_PAIRS = (
    ("lq", "gt"),
    ("lr", "hr"),
    ("low", "high"),
    ("low", "normal"),
    ("degraded", "clean"),
    ("input", "target"),
    ("input", "gt"),
    ("input", "groundtruth"),
    ("blur", "sharp"),
    ("blurry", "sharp"),
    ("hazy", "clear"),
    ("hazy", "gt"),
    ("haze", "clear"),
    ("rain", "norain"),
    ("rainy", "norain"),
    ("rainy", "clean"),
    ("rain", "gt"),
    ("shadow", "shadow_free"),
    ("synthetic", "gt"),
    ("snow", "gt"),
    ("data", "gt"),
    ("noisy", "clean"),
    ("noisy", "gt"),
)
"""Degraded folder and clean folder in lower case; the first that is there counts."""

_ROLES = {role for pair in FOLDER_PAIRS for role in pair}
_SPLITS = (
    ("train", re.compile(r"train(ing|set)?|train[-_]?(set|data)")),
    ("test", re.compile(r"(test|val|valid|validation|eval|evaluation)([-_]?(set|data))?|testing")),
)


@dataclass(frozen=True)
class PairOfFolders:
    """Two folders side by side.

    Arguments:
        split: `"train"` or `"test"` where a folder around or inside them is called so, else None.
        degraded: The degraded images, named by their path without the folder of the role and without extension.
        clean: The clean images likewise.
    """

    split: str | None
    degraded: Sequence[Named]
    clean: Sequence[Named]


def find_pairs(tree: Tree) -> list[PairOfFolders]:
    """Return every pair of folders that `FOLDER_PAIRS` knows, split by split where folders are called so.

    Arguments:
        tree: Where to look, at any depth; the outermost pair counts where one lies inside another.
    """
    roles: dict[tuple[str, ...], dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in tree.images():
        folders = entry.path.parts[:-1]
        for place, part in enumerate(folders):
            if part.lower() in _ROLES:
                roles[folders[:place]][part.lower()].append(entry)
    found: list[PairOfFolders] = []
    taken: list[tuple[str, ...]] = []
    for around in sorted(roles, key=len):
        here = roles[around]
        pair = next((pair for pair in FOLDER_PAIRS if here.keys() >= set(pair)), None)
        if pair is None or any(around[: len(above)] == above and len(around) > len(above) for above in taken):
            continue
        taken.append(around)
        sides = [_by_split(here[role], len(around)) for role in pair]
        splits = [split for split in ("train", None, "test") if any(split in side for side in sides)]
        found += [PairOfFolders(split, sides[0].get(split, []), sides[1].get(split, [])) for split in splits]
    return found


def split_folder(entry: Entry) -> str | None:
    """Return the split that a folder around a file is called after, the innermost first; None when there is none."""
    for part in reversed(entry.path.parts[:-1]):
        for split, pattern in _SPLITS:
            if pattern.fullmatch(part.lower()):
                return split
    return None


def _by_split(entries: Sequence[Entry], depth: int) -> dict[str | None, list[Named]]:
    """Return entries by split, named by their path without the part at `depth` (the role) and without extension."""
    found: dict[str | None, list[Named]] = defaultdict(list)
    for entry in entries:
        parts = entry.path.with_suffix("").parts
        found[split_folder(entry)].append(("/".join((*parts[:depth], *parts[depth + 1 :])), entry))
    return found
