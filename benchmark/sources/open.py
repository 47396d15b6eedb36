"""From a source's name and the user's paths to its samples; and which of the published sets lie below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark.sources import SOURCES, SourceCard, SourceFile
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.archives import ending
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in
from benchmark.sources.samples import ImageBytes, Rejected, Sample
from models.errors import UserError, close_match
from models.images.pixels import EXTENSIONS

SPLIT_FOLDERS = ("train", "val", "test")


def open_source(
    name: str, paths: Sequence[Path], *, options: Mapping[str, Any] | None = None
) -> list[Sample | Rejected]:
    """List the pairs of a source and what of it cannot be used.

    Arguments:
        name: A source of the catalogue.
        paths: Its folders and archives; none for an embedded source.
        options: Keyword arguments of the source.

    Returns:
        The samples in the source's order, with `Rejected` where a partner is missing; then the files of the source that
        cannot be read at all.

    Raises:
        UserError: The source or an option is unknown, a path is missing or unreadable, or nothing of the source is
            there.
    """
    card = SOURCES[name]
    given = dict(options or {})
    for option in given:
        if option not in card.options:
            known = f"known: {', '.join(card.options)}" if card.options else "it takes none"
            raise UserError(f"source {name} has no option {option!r}{close_match(option, card.options)} ({known})")
    read = SOURCES.load(name)
    if card.embedded:
        if paths:
            raise UserError(f"the {name} source is embedded and takes no folder: write --source {name}")
        return list(read(None, **given))
    tree = Tree.open(paths, source=name)
    broken = [rejected for rejected in tree.rejected if _matters(rejected)]
    try:
        found: list[Sample | Rejected] = list(read(tree, **given))
    except UserError as error:
        if not broken:
            raise
        more = f" ({len(broken)} images in it cannot be used; the first, {broken[0].key}: {broken[0].reason})"
        raise UserError(f"{error}{more}") from None
    if not found:
        raise not_this_source(card, tree.where)
    return found + _of_this_source(broken, tree, found)


def _matters(rejected: Rejected) -> bool:
    """Whether a rejected file is an image, or a folder or archive that may hold some."""
    suffix = PurePosixPath(rejected.key).suffix.lower()
    return suffix in ("", *EXTENSIONS) or ending(Path(rejected.key)) is not None


def _of_this_source(broken: Sequence[Rejected], tree: Tree, found: Iterable[Sample | Rejected]) -> list[Rejected]:
    """Return the rejected files but those of folders from which the source takes nothing."""
    if not broken:
        return []
    used = {_folder(part) for item in found if isinstance(item, Sample) for part in _parts(item)}
    unused = {_folder(entry.name) for entry in tree.images()} - used
    images = [rejected for rejected in broken if rejected.key.lower().endswith(EXTENSIONS)]
    elsewhere = {rejected for rejected in images if _folder(rejected.key) in unused}
    return [rejected for rejected in broken if rejected not in elsewhere]


def _parts(sample: Sample) -> list[str]:
    images: list[ImageBytes | None] = [sample.clean, sample.degraded]
    return [image.name for image in images if image is not None]


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def find_sources(raw: Path) -> list[tuple[str, list[Path]]]:
    """Find the published sets in a folder of downloads.

    The authors' layout (`<split>/<type>/{LQ,GT}`) is taken as a whole. Otherwise each set is looked for under its own
    name, as a folder or an archive, or else under the names of its archives, packed or unpacked, up to two folders
    down.

    Arguments:
        raw: The folder.

    Returns:
        The sources that are there, in the order of the catalogue, each with its paths. What is not returned was not
        found.

    Raises:
        UserError: There is no such folder, or nothing in it is known.
    """
    if not raw.is_dir():
        raise UserError(f"--raw {raw}: folder not found")
    if _is_authors_layout(raw):
        return [("universal", [raw])]
    published = [card for card in SOURCES.values() if card.counts]
    found: dict[str, list[Path]] = {}
    children = _children(raw)
    for card in published:
        # Not where the name is also that of an archive: Rain100H.zip is one of two.
        own = [path for path in children if _stem(path).lower() == card.name and not _matching(card, [path])]
        if own:
            found[card.name] = own[:1]  # a folder comes before the archive that it was unpacked from
    taken = {path for paths in found.values() for path in paths}
    candidates = [path for path in children if path not in taken]
    for folder in [path for path in candidates if path.is_dir()]:
        candidates += _children(folder)
    for card in published:
        matching = _matching(card, candidates)
        if card.name in found:
            found[card.name] += [path for path, file in matching.items() if not file.alone]
        elif any(file.alone for file in matching.values()):
            found[card.name] = list(matching)
    if not found:
        names = ", ".join(card.name for card in published)
        raise UserError(
            f"--raw {raw} holds neither <split>/<type>/{{LQ,GT}} (the authors' layout) nor any of the published sets: "
            f"put each into a folder or archive of its name ({names}), or keep the names of its archives"
        )
    return [(card.name, found[card.name]) for card in published if card.name in found]


def _matching(card: SourceCard, candidates: Sequence[Path]) -> dict[Path, SourceFile]:
    """Return the candidates that are files of a source, without those inside another one."""
    found: dict[Path, SourceFile] = {}
    for path in candidates:
        for file in card.files:
            if path not in found and _is_file(path, file, card):
                found[path] = file
    return {path: file for path, file in found.items() if not any(parent in found for parent in path.parents)}


def _is_file(path: Path, file: SourceFile, card: SourceCard) -> bool:
    stem = _stem(path).lower()
    patterns = [_stem(Path(file.name)).lower()]
    if path.is_dir():
        patterns += [name.lower() for name in file.unpacked]
    if not any(fnmatchcase(stem, pattern) for pattern in patterns):
        return False
    if not file.holds:
        return True
    try:
        return bool(holding(Tree.open([path], source=card.name), file.holds))
    except UserError:
        return False


def holding(tree: Tree, pattern: str) -> bool:
    """Whether a tree holds an image whose folders and name end as a glob does.

    Arguments:
        tree: The tree.
        pattern: E.g. `"data/*_rain.*"`.
    """
    folder, _, name = pattern.rpartition("/")
    return any(fnmatchcase(entry.path.name.lower(), name) for entry in images_in(by_folder(tree), folder))


def _is_authors_layout(raw: Path) -> bool:
    return any(
        (raw / split / folder.name / role).is_dir()
        for split in SPLIT_FOLDERS
        for folder in (_children(raw / split) if (raw / split).is_dir() else [])
        for role in ("LQ", "GT")
    )


def _children(folder: Path) -> list[Path]:
    """Return the folders and archives in a folder in the order of their names, folders first."""
    try:
        with os.scandir(folder) as entries:
            wanted = [e for e in entries if not e.name.startswith(".") and (e.is_dir() or ending(Path(e.name)))]
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}") from None
    return [Path(entry.path) for entry in sorted(wanted, key=lambda entry: (entry.is_file(), entry.name))]


def _stem(path: Path) -> str:
    """Return a name without the ending of an archive."""
    return path.name[: len(path.name) - len(ending(path) or "")]
