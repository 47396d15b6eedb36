"""What an audit finds: one finding a fault, with its level, its numbers and the images that show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmark.dataset.folder import Dataset
from benchmark.sources.samples import ImageBytes

Level = Literal["error", "leak", "suspicion"]
LEVELS: tuple[Level, ...] = ("error", "leak", "suspicion")

KINDS = {
    "shard": "a shard is not the file that the manifest describes, or cannot be read",
    "row": "a row is not what its columns say: split, key, number of rows",
    "bytes": "an image's bytes do not match their sha256",
    "decoding": "an image cannot be decoded",
    "cache": "a decoded image in the cache is not what was decoded",
    "captions": "a caption file is not what was written",
    "size": "an image has another size than its row says",
    "spec": "the spec and seed of a row give another image than the stored one",
    "same-picture": "degraded and clean are the same picture",
    "swapped-partner": "the degraded image fits the clean image of another pair much better than its own",
    "mirrored-partner": "the degraded image fits its clean one much better when that is mirrored or turned",
    "swapped-roles": "the image stored as clean shows the degradation, not the one stored as degraded",
    "shift": "the degraded image is displaced against its clean one",
    "unrelated": "degraded and clean seem to show different things",
    "duplicate-pair": "two pairs hold the same two pictures",
    "near-duplicate": "two clean images of one split are the same photo",
    "leak": "a test image is also a training image",
    "overlap": "an image is also in the other set",
}
"""What each kind of finding means, in the order of the report."""


@dataclass(frozen=True)
class Place:
    """Where an image lies: a row of a shard.

    Arguments:
        file: The Parquet file.
        group: Its row group.
        row: The row inside the group.
        role: `"degraded"` or `"clean"`.
    """

    file: Path
    group: int
    row: int
    role: str


@dataclass(frozen=True)
class Shown:
    """An image that goes with a finding: a label and where its bytes are."""

    label: str
    image: Place | ImageBytes


@dataclass(frozen=True)
class Finding:
    """One fault.

    Arguments:
        level: `"error"`: the dataset is broken; `"leak"`: test content in training data; `"suspicion"`: look at it.
        kind: One of `KINDS`.
        where: The key, file or group of pairs.
        what: What is wrong with it.
        numbers: What was measured.
        images: The images that show it, left to right.
    """

    level: Level
    kind: str
    where: str
    what: str
    numbers: dict[str, float] = field(default_factory=dict)
    images: tuple[Shown, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON value, with the names of its images."""
        facts = {"level": self.level, "kind": self.kind, "where": self.where, "what": self.what}
        numbers = {name: round(float(value), 4) for name, value in self.numbers.items()}
        return {**facts, "numbers": numbers, "images": [shown.label for shown in self.images]}


@dataclass
class Audit:
    """What was checked and what was found.

    Arguments:
        checked: Number of things looked at, by kind.
        findings: Errors first, then leaks, then suspicions; in the order of the data within each.
    """

    checked: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> list[dict[str, str]]:
        """The errors: `where` and `what`."""
        return [{"where": f.where, "what": f.what} for f in self.findings if f.level == "error"]

    def count(self, level: Level) -> int:
        """Return the number of findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    def sort(self) -> None:
        """Put the findings into the order of levels and kinds; within a kind they keep their order."""
        kinds = list(KINDS)
        self.findings.sort(key=lambda f: (LEVELS.index(f.level), kinds.index(f.kind)))

    def to_json(self, dataset: Dataset) -> dict[str, Any]:
        """Return the audit as a JSON value."""
        return {
            "schema": 2,
            "dataset": {"name": dataset.name, "digest": dataset.digest},
            "checked": dict(self.checked),
            "problems": self.problems,
            "findings": [finding.to_json() for finding in self.findings],
        }
