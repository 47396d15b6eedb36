"""The pair counts of Table 1, and a dataset's counts held against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.vocabulary import DEGRADATIONS


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
        One row a degradation in the paper's order, then the total.
    """

    def found(split: str, word: str) -> int:
        return splits.get(split, {}).get("counts", {}).get(word, 0)

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
    total = CountRow(
        "total",
        "",
        sum(r.train for r in rows),
        sum(r.train_expected for r in rows),
        sum(r.test for r in rows),
        sum(r.test_expected for r in rows),
    )
    return [*rows, total]
