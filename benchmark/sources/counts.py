"""The pair counts of Table 1 and of every source, and what was found held against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.vocabulary import DEGRADATIONS, SPLITS, in_order

if TYPE_CHECKING:
    from benchmark.sources import SourceCard
    from benchmark.sources.samples import Sample


@dataclass(frozen=True)
class PublishedCount:
    """One column of Table 1."""

    train_source: str
    test_source: str
    train: int
    test: int


TABLE_1 = dict(
    zip(
        DEGRADATIONS,
        (
            PublishedCount("GoPro", "GoPro", 2103, 1111),
            PublishedCount("RESIDE-6k", "RESIDE-6k", 6000, 1000),
            PublishedCount("DIV2K + Flickr2K", "LIVE1", 3550, 29),
            PublishedCount("LOL", "LOL", 485, 15),
            PublishedCount("DIV2K + Flickr2K", "CBSD68", 3550, 68),
            PublishedCount("RainDrop", "RainDrop", 861, 58),
            PublishedCount("Rain100H", "Rain100H", 1800, 100),
            PublishedCount("SRD", "SRD", 2680, 408),
            PublishedCount("Snow100K", "Snow100K-L", 1872, 601),
            PublishedCount("CelebA-HQ-256", "CelebA-HQ-256", 29900, 100),
        ),
        strict=True,
    )
)
"""Pairs by type as the paper prints them: 52,801 for training and 3,490 for testing."""


@dataclass(frozen=True)
class CountRow:
    """One line of a comparison with Table 1."""

    degradation: str
    source: str
    train: int
    train_expected: int
    test: int
    test_expected: int

    @property
    def agrees(self) -> bool:
        """Whether both splits hold exactly the published number of pairs."""
        return (self.train, self.test) == (self.train_expected, self.test_expected)


def compare(splits: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[CountRow]:
    """Hold the counts of a manifest against Table 1.

    Arguments:
        splits: The manifest's `splits`, each with `counts` by degradation.

    Returns:
        One row a degradation in the paper's order, then the further types of the dataset, then the total of all.
    """

    def found(split: str, word: str) -> int:
        return splits.get(split, {}).get("counts", {}).get(word, 0)

    further = in_order(word for split in splits.values() for word in split.get("counts", {}))
    rows = [
        CountRow(
            word,
            p.train_source if p.train_source == p.test_source else f"{p.train_source} / {p.test_source}",
            found("train", word),
            p.train,
            found("test", word),
            p.test,
        )
        for word, p in TABLE_1.items()
    ]
    rows += [
        CountRow(word, "not in the paper", found("train", word), 0, found("test", word), 0)
        for word in further
        if word not in TABLE_1
    ]
    total = CountRow(
        "total",
        "",
        sum(r.train for r in rows),
        sum(r.train_expected for r in rows),
        sum(r.test for r in rows),
        sum(r.test_expected for r in rows),
    )
    return [*rows, total]


@dataclass(frozen=True)
class SourceCountRow:
    """One line of a comparison with what a source publishes."""

    source: str
    degradation: str
    split: str
    expected: int
    found: int

    @property
    def agrees(self) -> bool:
        """Whether exactly the published number of pairs is there."""
        return self.found == self.expected


Counts = Mapping[tuple[str, str, str], int]
"""Number of pairs by source, degradation and split."""


def count_samples(samples: Iterable[Sample]) -> Counter[tuple[str, str, str]]:
    """Count samples by source, degradation and split."""
    return Counter((s.source, s.degradation, s.split) for s in samples)


def compare_sources(found: Counts, cards: Iterable[SourceCard]) -> list[SourceCountRow]:
    """Hold what was found of the chosen sources against what they publish.

    Arguments:
        found: From `count_samples`.
        cards: The chosen sources; those that publish no counts give no rows.

    Returns:
        Rows by source, then split, then degradation.
    """
    return [
        SourceCountRow(card.name, word, split, expected, found.get((card.name, word, split), 0))
        for card in cards
        for split in SPLITS
        for word, expected in card.counts.get(split, {}).items()
    ]


def differences(samples: Iterable[Sample], names: Sequence[str]) -> list[str]:
    """Say where the samples of some sources are not as many as published.

    Arguments:
        samples: What was found.
        names: The sources that are expected; `"universal"` stands for all of Table 1.

    Returns:
        One clause a difference, empty when all agree.
    """
    from benchmark.sources import SOURCES

    found = count_samples(samples)
    rows = compare_sources(found, [SOURCES[name] for name in names])
    if "universal" in names:
        rows += [
            SourceCountRow("universal", word, split, getattr(published, split), found["universal", word, split])
            for word, published in TABLE_1.items()
            for split in SPLITS
        ]
    return [
        f"{row.source} has {row.found:,} {row.degradation} {row.split} pairs instead of {row.expected:,}"
        for row in rows
        if not row.agrees
    ]
