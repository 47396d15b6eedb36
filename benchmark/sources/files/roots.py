"""The roots that a user names for a source: checked, opened, and each given its place in the tree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.sources.files.archives import OPENERS, ending, label, open_archive, refusal
from benchmark.sources.files.folder import Folder
from benchmark.sources.files.members import Place
from models.errors import UserError


@dataclass(frozen=True)
class Root:
    """A place at the top of a tree.

    Arguments:
        place: The folder or archive.
        mount: Folder of the tree in which it appears; empty when it is the only root.
    """

    place: Place
    mount: str


def roots_of(paths: Sequence[Path], *, source: str) -> list[Root]:
    """Check the roots that a user named and give each a place in the tree.

    Raises:
        UserError: None was given, or one of them is missing, of a kind that cannot be read, or inside another.
    """
    if not paths:
        raise UserError(f"source {source!r} needs its files: --source {source}=PATH, a folder, a zip or a tar")
    places: dict[Path, Place] = {}
    for path in paths:
        try:
            place = _place(path, source)
            places.setdefault(place.path.resolve(), place)
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"source {source!r}: {path} cannot be read: {reason}") from None
    for path in places:
        around = next((other for other in places if other in path.parents), None)
        if around is not None:
            raise UserError(f"source {source!r}: {path} lies inside {around}: name only one of them")
    tops = [(*place.path.parent.parts, place.label) for place in places.values()]
    mounts = [""] if len(tops) == 1 else [_shortest(top, tops) for top in tops]
    return [Root(place, mount) for place, mount in zip(places.values(), mounts, strict=True)]


def _place(path: Path, source: str) -> Place:
    # A link keeps its own name: the caches of download tools name the file behind it by its digest.
    absolute = Path(os.path.abspath(path.expanduser()))
    if not absolute.exists():
        raise UserError(f"source {source!r}: {path} not found: name its folder, zip or tar, --source {source}=PATH")
    if absolute.is_dir():
        return Folder(absolute, label(absolute), str(path))
    found = ending(absolute) if absolute.is_file() else None
    if found is None:
        known = " ".join(OPENERS)
        raise UserError(f"source {source!r}: {path} is neither a folder nor an archive ({known}): name one of them")
    if found not in OPENERS:
        raise UserError(f"source {source!r}: {path}: {refusal(found)} and name the folder")
    return open_archive(absolute, found)


def _shortest(top: tuple[str, ...], tops: list[tuple[str, ...]]) -> str:
    """Return the last parts of `top` by which it differs from all others."""
    others = {other for other in tops if other != top}
    count = next(n for n in range(1, len(top) + 1) if all(other[-n:] != top[-n:] for other in others))
    return "/".join(part for part in top[-count:] if part != os.sep)
