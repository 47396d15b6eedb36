"""Entries of a tree by their folders, and two groups of them - degraded and clean - as samples."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.pairing import SAME, Rule, match
from benchmark.sources.samples import Rejected, Sample
from models.errors import UserError

Folder = tuple[str, ...]
"""Names of the folders above a file in lower case, outermost first; the first is the root's own name."""

Named = tuple[str, Entry]
"""An entry and the name by which it is matched and by which its pair is called."""


def by_folder(tree: Tree) -> dict[Folder, list[Entry]]:
    """Return the images of a tree by folder, in the order of the tree."""
    found: dict[str, list[Entry]] = {}
    for entry in tree.images():
        # The root's own name counts: an archive may hold its files without a folder around them.
        text = entry.text if entry.mount else f"{entry.place.label}/{entry.text}"
        found.setdefault(text.rpartition("/")[0], []).append(entry)
    folders: dict[Folder, list[Entry]] = {}
    for text, entries in found.items():
        folders.setdefault(tuple(text.lower().split("/")), []).extend(entries)
    return folders


def images_in(folders: Mapping[Folder, list[Entry]], *patterns: str) -> list[Entry]:
    """Return the images of the folders whose names end as one of the patterns, by the first pattern that finds any.

    Arguments:
        folders: From `by_folder`.
        patterns: Folder names joined by `/`, each with the wildcards `*`, `?` and `[...]`, e.g. `"train/*/blur"`.
    """
    for pattern in patterns:
        parts = pattern.lower().split("/")
        found: list[Entry] = []
        for folder, entries in folders.items():
            tail = folder[-len(parts) :]
            if len(tail) == len(parts) and all(map(fnmatchcase, tail, parts)):
                found += entries
        if found:
            return found
    return []


def numbered(tree: Tree, *, digits: int) -> list[Entry]:
    """Return the images whose names are numbers of so many digits, small `*_LR_*` versions left out."""
    return [
        entry
        for folder, entries in by_folder(tree).items()
        if not any("_lr_" in f"{name}_" for name in folder)
        for entry in entries
        if re.fullmatch(rf"[0-9]{{{digits}}}", entry.path.stem)
    ]


def split_of(folder: Folder, *, train: str = "train", test: str = "test") -> str | None:
    """Return the split that a folder's names tell, the innermost first, or None when they tell none.

    Arguments:
        folder: Names of folders.
        train: Regular expression found in the names of training folders.
        test: Regular expression found in the names of test folders.
    """
    for part in reversed(folder):
        for split, pattern in (("train", train), ("test", test)):
            if re.search(pattern, part):
                return split
    return None


def named(entries: Iterable[Entry], name: Callable[[Entry], str] = lambda entry: entry.path.stem) -> list[Named]:
    """Return entries with their names; a file that was found twice (beside its own archive, say) is kept once."""
    once = {(name(entry), entry.fingerprint): entry for entry in entries}
    return [(called, entry) for (called, _), entry in once.items()]


def pair_samples(
    degraded: Sequence[Named],
    clean: Sequence[Named],
    *,
    source: str,
    split: str,
    degradation: str,
    rules: Sequence[Rule] = (SAME,),
    captions: Callable[[Entry, Entry], str | None] = lambda degraded, clean: None,
    group: str = "",
) -> Iterator[Sample | Rejected]:
    """Yield one sample a pair, in the order of the degraded images, then what has no partner.

    Arguments:
        degraded: Degraded images under the names by which they are matched; these become part of the keys.
        clean: Clean images likewise.
        source: Name of the source, first part of every key.
        split: `"train"` or `"test"`.
        degradation: The type of all pairs.
        rules: What may tell partners; equal names by default.
        captions: From the two files of a pair to its caption, when the source brings captions.
        group: Put before the names in keys, with a `/` at its end.

    Raises:
        UserError: Not a single pair is found; the message names examples.
    """
    matches = match([name for name, _ in degraded], [name for name, _ in clean], rules=rules)
    if not matches.pairs:
        sides = (("degraded", degraded), ("clean", clean))
        told = " and ".join(f"{len(names)} {role} images ({_examples(names)})" for role, names in sides)
        raise UserError(f"{source}: no {split} pair of type {degradation} has matching names among {told}")
    stem = f"{source}/{split}/{degradation}/{group}"
    for d, c in matches.pairs:
        yield Sample(
            key=stem + degraded[d][0],
            degradation=degradation,
            split=split,
            source=source,
            clean=clean[c][1],
            degraded=degraded[d][1],
            caption=captions(degraded[d][1], clean[c][1]),
        )
    for names, lonely in ((degraded, matches.degraded), (clean, matches.clean)):
        for number in sorted(lonely):
            name, entry = names[number]
            yield Rejected(key=stem + name, reason=f"{lonely[number]} ({entry.name})")


def synthetic_samples(
    images: Sequence[Named],
    *,
    source: str,
    split: str,
    specs: Mapping[str, str],
    seed: int = 0,
    group: str = "",
    captions: Callable[[Entry], str | None] = lambda clean: None,
) -> Iterator[Sample | Rejected]:
    """Yield, for one clean image after the other, a sample of each type: neighbours share what is decoded.

    Arguments:
        images: Clean images under the names that become part of the keys.
        source: Name of the source.
        split: `"train"` or `"test"`.
        specs: What to synthesise, by type.
        seed: Seed of the synthesis.
        group: Put before the names in keys, with a `/` at its end.
        captions: From a clean image to its caption.
    """
    seen: dict[str, Entry] = {}
    for name, entry in images:
        if name in seen:
            reason = f"{seen[name].name} goes by the same name ({entry.name})"
            yield from (Rejected(f"{source}/{split}/{word}/{group}{name}", reason) for word in specs)
            continue
        seen[name] = entry
        for word, spec in specs.items():
            yield Sample(
                key=f"{source}/{split}/{word}/{group}{name}",
                degradation=word,
                split=split,
                source=source,
                clean=entry,
                spec=spec,
                seed=seed,
                caption=captions(entry),
            )


def _examples(names: Sequence[Named]) -> str:
    return ", ".join(entry.name for _, entry in names[:2]) or "none"
