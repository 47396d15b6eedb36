"""A source's files as one listing, whether they lie in folders, zips or tars."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.sources.files.entry import Entry
from benchmark.sources.files.mounts import find_all
from benchmark.sources.files.roots import roots_of
from benchmark.sources.samples import Rejected
from models.errors import UserError
from models.images.pixels import EXTENSIONS

__all__ = ["Entry", "Tree"]

_NUMBERS = re.compile(r"([0-9]{1,18})")  # longer rows of digits are taken in pieces: `int` refuses endless ones


@dataclass(frozen=True)
class Tree:
    """All files below one or more roots. Use `Tree.open` to get one.

    Arguments:
        where: The roots, for messages.
        entries: Every file, sorted by path in natural order (2 before 10).
        rejected: Files that cannot be used, with the reason.
    """

    where: str
    entries: tuple[Entry, ...]
    rejected: tuple[Rejected, ...]

    @staticmethod
    def open(paths: Sequence[Path], *, source: str) -> Tree:
        """List the files of a source.

        A root is a folder, a zip or a tar (`.tar`, `.tar.gz`, `.tgz`). Archives in a root folder, at most two folders
        below it, are opened too and appear as a folder of their name without ending. One root is the top of the tree;
        several appear side by side under their names. What lies both in an archive and unpacked is listed once.

        Arguments:
            paths: The roots.
            source: Name of the source, for messages.

        Raises:
            UserError: No path was given; one is missing, unreadable, of an unsupported kind, a damaged archive, or lies
                inside another; or nothing at all can be used.
        """
        roots = roots_of(paths, source=source)
        where = ", ".join(str(path) for path in paths)
        found, rejected = find_all(roots)
        if not found and rejected:
            first, others = rejected[0], len(rejected) - 1
            also = f" (and {others} more)" if others else ""
            raise UserError(f"source {source!r}: nothing usable in {where}: {first.key}: {first.reason}{also}")
        ordered = sorted(found, key=natural_order())
        return Tree(where, tuple(ordered), tuple(rejected))

    def images(self) -> list[Entry]:
        """Return the files whose names end as those of images do, in any case."""
        return list(self._images)

    def find(self, pattern: str) -> list[Entry]:
        """Return the images whose path matches a glob at its end, part by part and in any case.

        Arguments:
            pattern: Parts joined by `/`, each with the wildcards `*`, `?` and `[...]`, e.g. `"train/*/blur/*.png"`; any
                folders may lie above.

        Returns:
            Entries in the order of the tree.
        """
        *above, last = pattern.lower().split("/")
        matchers = [_matcher(part) for part in above]
        fits = _matcher(last)
        found: list[int] = []
        for parts, numbers in self._folders.items():
            tail = parts[len(parts) - len(above) :] if len(parts) >= len(above) else None
            if tail is not None and all(match(part) for match, part in zip(matchers, tail, strict=True)):
                found += [number for name, number in numbers if fits(name)]
        return [self._images[number] for number in sorted(found)]

    @cached_property
    def _images(self) -> tuple[Entry, ...]:
        return tuple(e for e in self.entries if e.member.inside.lower().endswith(EXTENSIONS))

    @cached_property
    def _folders(self) -> dict[tuple[str, ...], list[tuple[str, int]]]:
        """Number of each image by its folder's parts and its name, all in lower case."""
        texts: dict[str, list[tuple[str, int]]] = {}
        for number, entry in enumerate(self._images):
            folder, _, name = entry.text.lower().rpartition("/")
            texts.setdefault(folder, []).append((name, number))
        folders: dict[tuple[str, ...], list[tuple[str, int]]] = {}
        for folder, names in texts.items():
            folders.setdefault(tuple(part for part in folder.split("/") if part), []).extend(names)
        return folders


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return the test for one part of a path; a plain word and `*` need no regular expression."""
    if pattern == "*":
        return lambda part: True
    if not set(pattern) & set("*?["):
        return lambda part: part == pattern
    compiled = re.compile(fnmatch.translate(pattern))
    return lambda part: compiled.match(part) is not None


def natural_order() -> Callable[[Entry], tuple[object, ...]]:
    """Return a sort key by path, part by part, under which 2 comes before 10."""
    folders: dict[str, tuple[object, ...]] = {"": ()}

    def key_of(part: str) -> tuple[tuple[object, ...], str]:
        # Text and numbers alternate, so that like meets like; 1 and 01 are told apart by the part itself.
        return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(_NUMBERS.split(part))), part

    def key(entry: Entry) -> tuple[object, ...]:
        folder, _, name = entry.text.rpartition("/")
        if folder not in folders:
            folders[folder] = tuple(key_of(part) for part in folder.split("/"))
        return (*folders[folder], key_of(name))

    return key
