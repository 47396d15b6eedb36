"""All checks over all captions of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from captioning.quality.findings import KINDS, Entry, Finding
from captioning.quality.leaks import LeakRow, leak_table, leaks
from captioning.quality.length import CONTEXT_LENGTH, token_counts
from captioning.quality.similar import near_identical
from captioning.quality.single import damaged_characters, made_up_word, repeated_share, repetition, words_of


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Arguments:
        entries: The captions.
        findings: What is wrong, by kind in the order of `KINDS`, and by caption within a kind.
        words: Number of words of each caption.
        tokens: Number of CLIP's tokens of each caption, with start and end.
        text_tokens: The same for its longest text ("<caption>: <degradation>").
        repeated: Share of repeated three-word phrases of each caption.
        leaks: How often words for degradations are used.
        repeats: Captions that several images carry in the same words: an example and the number of images, most first.
        cosines: Similarity of each caption and its image; None where none was computed.
    """

    entries: Sequence[Entry]
    findings: Sequence[Finding]
    words: Sequence[int]
    tokens: Sequence[int]
    text_tokens: Sequence[int]
    repeated: Sequence[float]
    leaks: Sequence[LeakRow]
    repeats: Sequence[tuple[str, int]]
    cosines: Sequence[float | None]


def inspect(
    entries: Sequence[Entry],
    *,
    near: float = 0.8,
    cosines: Mapping[str, float] | None = None,
    context_length: int = CONTEXT_LENGTH,
    progress: Callable[[int], None] = lambda done: None,
) -> Inspection:
    """Check captions one by one and against each other.

    Arguments:
        entries: The captions.
        near: Least share of words that two captions have in common to be called nearly identical.
        cosines: Similarity by digest of the image, where it was computed.
        context_length: Tokens that the text tower reads.
        progress: Called with the units of work done, out of `units(entries)`.
    """
    findings: list[Finding] = []
    word_lists = [words_of(entry.caption) for entry in entries]
    found = [leaks(entry.caption) for entry in entries]
    readable = [_readable(entry.caption) for entry in entries]
    texts = [_readable(text) for entry in entries for text in entry.texts]
    counts = token_counts([*readable, *texts], progress=progress)
    tokens, rest = counts[: len(entries)], iter(counts[len(entries) :])
    text_tokens = [max(islice(rest, len(entry.texts)), default=0) for entry in entries]
    for index, (entry, words) in enumerate(zip(entries, word_lists, strict=True)):
        told = {
            "empty": "the caption is empty" if not entry.caption.strip() else None,
            "characters": damaged_characters(entry.caption),
            "repetition": repetition(words),
            "made-up-word": made_up_word(words),
            "too-long": _too_long(tokens[index], text_tokens[index], context_length),
        }
        findings += [Finding(kind, index, detail) for kind, detail in told.items() if detail]
        findings += [
            Finding(f"{leak.describes}-word", index, f"'{leak.word}' names {leak.degradation}") for leak in found[index]
        ]
    repeats, alike = _comparisons(entries, word_lists, near, lambda done: progress(len(counts) + done))
    findings += [*alike, *_inconsistent(entries)]
    order = {kind: n for n, kind in enumerate(KINDS)}
    progress(units(entries))
    return Inspection(
        entries=entries,
        findings=sorted(findings, key=lambda finding: (order[finding.kind], finding.entry, finding.detail)),
        words=[len(words) for words in word_lists],
        tokens=tokens,
        text_tokens=text_tokens,
        repeated=[repeated_share(words) for words in word_lists],
        leaks=leak_table(entries, found),
        repeats=repeats,
        cosines=_first_of_each(entries, cosines or {}),
    )


def _first_of_each(entries: Sequence[Entry], cosines: Mapping[str, float]) -> list[float | None]:
    """Return the similarity of each caption: only the first caption of an image was compared with it."""
    left = dict(cosines)
    return [left.pop(entry.clean_sha256, None) for entry in entries]


def units(entries: Sequence[Entry]) -> int:
    """Return the units of work of `inspect`: texts to be split into tokens and captions to be compared."""
    return sum(2 + len(entry.texts) for entry in entries)


def _readable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _too_long(tokens: int, text_tokens: int, most: int) -> str | None:
    if tokens > most:
        return f"{tokens} tokens, {most} are read"
    return f"{text_tokens} tokens with the degradation, {most} are read" if text_tokens > most else None


def _comparisons(
    entries: Sequence[Entry], word_lists: Sequence[list[str]], near: float, progress: Callable[[int], None]
) -> tuple[list[tuple[str, int]], list[Finding]]:
    """Return captions shared by several images, and the findings about identical and nearly identical ones."""
    groups: dict[str, list[int]] = {}
    for index, words in enumerate(word_lists):
        if words:
            groups.setdefault(" ".join(words), []).append(index)
    findings: list[Finding] = []
    repeats: list[tuple[str, int]] = []
    members = list(groups.values())
    for group in members:
        images = {entries[index].clean_sha256: index for index in reversed(group)}
        if len(images) < 2:
            continue
        repeats.append((entries[group[0]].caption, len(images)))
        for index in group:
            other = next(i for digest, i in images.items() if digest != entries[index].clean_sha256)
            findings.append(Finding("identical", index, f"shared by {len(images)} images", entries[other].key))
    closest = near_identical([word_lists[group[0]] for group in members], threshold=near, progress=progress)
    for place, (other, likeness) in closest.items():
        partner = entries[members[other][0]]
        for index in members[place]:
            if entries[index].clean_sha256 != partner.clean_sha256:
                findings.append(Finding("near-identical", index, f"{likeness:.0%} of the words in common", partner.key))
    return sorted(repeats, key=lambda repeat: (-repeat[1], repeat[0])), findings


def _inconsistent(entries: Sequence[Entry]) -> list[Finding]:
    first: dict[str, int] = {}
    findings = []
    for index, entry in enumerate(entries):
        known = first.setdefault(entry.clean_sha256, index)
        if known != index:
            detail = f"its first caption is {entries[known].caption!r}"
            findings.append(Finding("inconsistent", index, detail, entries[known].key))
    return findings
