"""The files of all roots, and of the archives inside them, laid into one tree: each file once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from benchmark.sources.files.archives import OPENERS, ending, open_archive, refusal
from benchmark.sources.files.entry import Entry
from benchmark.sources.files.folder import Folder, too_large
from benchmark.sources.files.members import Place
from benchmark.sources.files.roots import Root
from benchmark.sources.samples import Rejected
from models.errors import UserError
from models.images.pixels import EXTENSIONS

DEPTH = 2
"""Archives are opened when they lie at most so many folders below a root."""

PROBES = 3
"""Images compared byte by byte before files beside an archive are taken for its contents."""


def find_all(roots: Iterable[Root]) -> tuple[list[Entry], list[Rejected]]:
    """List the files of all roots and of the archives inside their folders.

    Returns:
        Every file once, and what cannot be used.

    Raises:
        UserError: A root cannot be read. An archive inside a folder is rejected instead.
    """
    files: list[Entry] = []
    packed: list[Entry] = []
    rejected: list[Rejected] = []
    for root in roots:
        if isinstance(root.place, Folder):
            ours, inner, refused = _folder(root.place, root.mount)
            files += ours
            packed += inner
        else:
            inner, refused = _archive(root.place, root.mount)
            packed += inner
        rejected += refused
    kept, clashes = _once([*files, *packed])
    return kept, rejected + clashes


def _folder(folder: Folder, mount: str) -> tuple[list[Entry], list[Entry], list[Rejected]]:
    """List a folder: its files, the files packed in its archives, and what cannot be used."""
    members, rejected = folder.members()
    files: list[Entry] = []
    archives: list[tuple[str, str]] = []
    for member in members:
        found = ending(Path(member.inside))
        reason = None
        if found is None:
            reason = too_large(member)
        elif found not in OPENERS:
            reason = refusal(found)
        elif member.inside.count("/") > DEPTH:
            reason = f"an archive more than {DEPTH} folders below the root is not opened: name it as a root"
        if reason is not None:
            rejected.append(Rejected(key=folder.name_of(member.inside), reason=reason))
        elif found is not None:
            archives.append((member.inside, found))
        else:
            files.append(Entry(folder, member, mount))
    packed: list[Entry] = []
    here = {entry.text: entry for entry in files}
    for inside, found in sorted(archives):
        place = open_archive(folder.path / inside, found)
        beside = "/".join(part for part in (mount, os.path.dirname(inside)) if part)
        try:
            entries, refused = _archive(place, f"{beside}/{place.label}" if beside else place.label)
        except UserError as error:
            rejected.append(Rejected(key=folder.name_of(inside), reason=str(error).removeprefix(f"{place.path} ")))
            continue
        still, clashes = _not_unpacked(entries, beside, here)
        packed += still
        rejected += refused + clashes
    return [entry for entry in files if entry.text in here], packed, rejected


def _archive(place: Place, mount: str) -> tuple[list[Entry], list[Rejected]]:
    members, rejected = place.members()
    entries: list[Entry] = []
    for member in members:
        if ending(Path(member.inside)) is None:
            entries.append(Entry(place, member, mount))
        else:
            reason = "an archive inside an archive is not opened: unpack the outer one first"
            rejected.append(Rejected(key=place.name_of(member.inside), reason=reason))
    return entries, rejected


def _not_unpacked(entries: list[Entry], beside: str, here: dict[str, Entry]) -> tuple[list[Entry], list[Rejected]]:
    """Leave out what was unpacked right beside the archive.

    Files of equal names beside an archive are taken for its contents when most of them have the size that the archive
    says, and the first, middle and last of these its bytes: two archives with the same names inside are not unusual.

    Arguments:
        entries: The files of one archive.
        beside: The folder of the tree in which the archive lies.
        here: Files of that root by path; those that clash with the archive are taken out.
    """
    twins = [(entry, here.get(f"{beside}/{e}" if beside else e)) for entry in entries if (e := entry.member.inside)]
    pairs = [(packed, file) for packed, file in twins if file is not None]
    images = [pair for pair in pairs if pair[0].text.lower().endswith(EXTENSIONS)] or pairs
    same = [pair for pair in images if pair[0].size == pair[1].size]
    probes = {0, len(same) // 2, len(same) - 1} if same else set()
    if 2 * len(same) <= len(images) or any(_differ(*same[number]) for number in probes):
        return entries, []
    clashes: list[Rejected] = []
    for packed, file in pairs:
        if packed.size != file.size:
            here.pop(file.text, None)
            clashes += [_clash(packed, file), _clash(file, packed)]
    unpacked = {packed.text for packed, _ in pairs}
    return [entry for entry in entries if entry.text not in unpacked], clashes


def _differ(packed: Entry, file: Entry) -> bool:
    try:
        return packed.read() != file.read()
    except (UserError, OSError):
        return False  # damage says nothing about whether they were the same


def _once(entries: list[Entry]) -> tuple[list[Entry], list[Rejected]]:
    """Keep one file for each path, the earliest; those of one path and different sizes are all rejected."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.text, []).append(entry)
    kept: list[Entry] = []
    rejected: list[Rejected] = []
    for group in groups.values():
        other = next((entry for entry in group if entry.size != group[0].size), None)
        if other is None:
            kept.append(group[0])
        else:
            rejected += [_clash(entry, other if entry.size != other.size else group[0]) for entry in group]
    return kept, rejected


def _clash(entry: Entry, other: Entry) -> Rejected:
    reason = f"{entry.size} bytes here but {other.size} in {other.name}, which has the same path: remove the wrong one"
    return Rejected(key=entry.name, reason=reason)
