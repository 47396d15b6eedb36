"""Photos that are there more than once: inside a split, in training and test data, and in other sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.sources.samples import ImageBytes
from benchmark.verify.findings import Finding, Level, Place, Shown
from benchmark.verify.hashing import near_hashes, perceptual_hash
from benchmark.verify.rows import Row
from benchmark.verify.same_photo import Likeness, compare, has_detail

_NAMED = 5  # members of a group that are named in a sentence


@dataclass(frozen=True, eq=False)
class Print:
    """What is kept of one image to recognise it.

    Arguments:
        name: What it is called in messages.
        split: Its split, or an empty string outside datasets.
        source: Its source.
        pixels: Digest of its decoded pixels.
        thumb: Its thumbnail.
        image: Where it lies.
    """

    name: str
    split: str
    source: str
    pixels: str
    thumb: np.ndarray
    image: Place | ImageBytes


def prints_of(rows: Sequence[Row]) -> list[Print]:
    """Return the different clean images of some pairs, each called by the first pair that holds it."""
    found: dict[tuple[str, str, str], Print] = {}
    for row in rows:
        key = (row.split, row.source, row.clean_pixels)
        if row.thumb is not None and key not in found:
            found[key] = Print(row.key, row.split, row.source, row.clean_pixels, row.thumb, row.place("clean"))
    return list(found.values())


def duplicate_pairs(rows: Sequence[Row]) -> Iterator[Finding]:
    """Find pairs that hold the same two pictures, pixel by pixel, or the same degraded one, under several keys."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.degraded_pixels:
            groups[row.degraded_pixels].append(row)
    for group in groups.values():
        if len(group) == 1:
            continue
        first = group[0]
        both = len({row.clean_pixels for row in group}) == 1
        crosses = len({row.split for row in group}) > 1
        what = "holds the same two pictures as" if both else "has the same degraded picture, with another clean one, as"
        yield Finding(
            "leak" if crosses else "suspicion",
            "duplicate-pair",
            first.key,
            f"{what} {_listed([row.key for row in group[1:]])}",
            {"pairs": len(group)},
            (Shown("degraded", first.place("degraded")), Shown("clean", first.place("clean"))),
        )


def repeated(prints: Sequence[Print]) -> Iterator[Finding]:
    """Find groups of clean images inside one split that are one photo."""
    parent = list(range(len(prints)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    weakest: dict[int, Likeness] = {}
    for i, j in _candidates(prints, None):
        a, b = sorted((root(i), root(j)))
        if a == b:
            continue  # both belong to one group already; a film of a standing camera is not compared frame by frame
        likeness = _likeness(prints[i], prints[j])
        if likeness is not None:
            parent[b] = a
            known = [weakest[k] for k in (a, b) if k in weakest]
            weakest[a] = min([likeness, *known], key=lambda one: one.correlation)
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(prints)):
        groups[root(i)].append(i)
    for leader, members in groups.items():
        if len(members) == 1:
            continue
        first, *others = (prints[i] for i in members)
        what = f"its clean image is the same photo as that of {_listed([other.name for other in others])}"
        numbers = {"images": len(members), **_numbers(weakest[leader])}
        yield Finding("suspicion", "near-duplicate", first.name, what, numbers, _shown(first, others[0]))


def leaks(test: Sequence[Print], train: Sequence[Print]) -> Iterator[Finding]:
    """Find clean images of the test split that are photos of the training split."""
    for one, other, likeness in _closest(test, train):
        what = f"its clean image is also in the training data: {other.name}"
        yield Finding("leak", "leak", one.name, what, _numbers(likeness), _shown(one, other))


def overlaps(prints: Sequence[Print], others: Sequence[Print], *, name: str) -> Iterator[Finding]:
    """Find clean images that another set holds as well.

    It is a leak, unless both lie in the same split of two datasets: then nothing is trained on what it is tested on.
    """
    for one, other, likeness in _closest(prints, others):
        level: Level = "suspicion" if one.split == other.split else "leak"
        what = f"its clean image is also in {name}: {other.name}"
        yield Finding(level, "overlap", one.name, what, _numbers(likeness), _shown(one, other))


def _closest(prints: Sequence[Print], others: Sequence[Print]) -> Iterator[tuple[Print, Print, Likeness]]:
    """Yield each print that is also in `others`, with the most alike of its matches."""
    best: dict[int, tuple[float, int, Likeness]] = {}
    for i, j in _candidates(prints, others):
        if i in best and best[i][2].rmse == 0:
            continue
        likeness = _likeness(prints[i], others[j])
        if likeness is not None and (i not in best or likeness.correlation > best[i][0]):
            best[i] = (likeness.correlation, j, likeness)
    for i in sorted(best):
        yield prints[i], others[best[i][1]], best[i][2]


def _candidates(prints: Sequence[Print], others: Sequence[Print] | None) -> Iterator[tuple[int, int]]:
    """Yield index pairs worth comparing: equal pixels first, then near hashes of pictures with some detail."""
    seconds = prints if others is None else others
    by_pixels: dict[str, list[int]] = defaultdict(list)
    for j, other in enumerate(seconds):
        by_pixels[other.pixels].append(j)
    for i, one in enumerate(prints):
        yield from ((i, j) for j in by_pixels.get(one.pixels, ()) if others is not None or i < j)
    detailed = _detailed(prints)
    detailed_others = None if others is None else _detailed(others)
    hashes = _hashes(prints, detailed)
    hashes_others = None if others is None or detailed_others is None else _hashes(others, detailed_others)
    right = detailed if detailed_others is None else detailed_others
    for found in near_hashes(hashes, hashes_others):
        for i, j, _ in found.tolist():
            if prints[detailed[i]].pixels != seconds[right[j]].pixels:
                yield detailed[i], right[j]


def _detailed(prints: Sequence[Print]) -> list[int]:
    return [i for i, one in enumerate(prints) if has_detail(one.thumb)]


def _hashes(prints: Sequence[Print], chosen: Sequence[int]) -> np.ndarray:
    return np.array([perceptual_hash(prints[i].thumb) for i in chosen], np.uint64)


def _likeness(one: Print, other: Print) -> Likeness | None:
    if one.pixels == other.pixels:
        return Likeness(1.0, 0.0)
    likeness = compare(one.thumb, other.thumb)
    return likeness if likeness.same else None


def _numbers(likeness: Likeness) -> dict[str, float]:
    return {"correlation": likeness.correlation, "rmse": likeness.rmse}


def _shown(one: Print, other: Print) -> tuple[Shown, ...]:
    return Shown(one.name, one.image), Shown(other.name, other.image)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
