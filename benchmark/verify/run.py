"""Auditing a dataset: integrity, alignment of the pairs, duplicates and leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from benchmark import engine
from benchmark.dataset.folder import Dataset
from benchmark.verify.alignment import judge
from benchmark.verify.caches import kept_findings
from benchmark.verify.duplicates import Print, duplicate_pairs, leaks, overlaps, prints_of, repeated
from benchmark.verify.findings import Audit, Finding
from benchmark.verify.integrity import PartReport, check_part, check_sidecar, parts_of
from benchmark.verify.others import OtherSet, read_part
from benchmark.verify.rows import Row
from models.files import sha256_json

__all__ = ["Audit", "Finding", "OtherSet", "verify"]

J = TypeVar("J")
R = TypeVar("R")


def verify(
    dataset: Dataset,
    *,
    against: Sequence[OtherSet] = (),
    workers: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Audit:
    """Look for everything that is wrong with a dataset.

    Shards and images are hashed again, everything is decoded, every synthetic image made again from its spec. Pairs
    that no spec explains are checked for displacement, exchanged partners and exchanged roles. All clean images are
    compared with each other and with those of other sets, decoded images and captions with their digests. The result
    does not depend on the number of workers.

    Arguments:
        dataset: The dataset folder.
        against: Other sets to look for its images in.
        workers: Worker processes, 0 for none.
        progress: Called with the number of pairs and other images that are done.

    Returns:
        The audit; the dataset is sound when `problems` is empty.
    """
    audit = Audit()
    parts, audit.findings = parts_of(dataset)
    # Workers send what they keep of a pair a row group at a time; the order of the data is restored by the index.
    reports = _in_order(check_part, parts, workers=workers, progress=progress)
    for report in reports:
        audit.findings += report.findings
        audit.checked += report.checked
    audit.findings += check_sidecar(dataset)
    rows = _rows_of_splits(dataset, reports, audit)
    done = sum(len(part) for part in rows.values())
    everything = [row for split in rows.values() for row in split]
    audit.findings += duplicate_pairs(everything)
    prints = {split: prints_of(split_rows) for split, split_rows in rows.items()}
    for split, split_rows in rows.items():
        audit.findings += judge(split_rows, _different_cleans(split_rows))
        audit.findings += repeated(prints[split])
        audit.checked["clean images"] += len(prints[split])
    if "train" in prints and "test" in prints:
        audit.findings += leaks(prints["test"], prints["train"])
    for other in against:
        other_prints, bad = _read_other(other, workers=workers, progress=lambda now, base=done: progress(base + now))
        done += len(other.images)
        audit.checked["images of other sets"] += len(other_prints)
        audit.findings += [
            Finding("suspicion", "decoding", f"{other.name}: {name}", f"it could not be compared: {reason}")
            for name, reason in (*other.rejected, *bad)
        ]
        for own in prints.values():
            audit.findings += overlaps(own, other_prints, name=other.name)
    audit.findings += kept_findings(dataset)
    audit.sort()
    return audit


def _rows_of_splits(dataset: Dataset, reports: Sequence[PartReport], audit: Audit) -> dict[str, list[Row]]:
    """Return the pairs of each split, and note where they are not those of the manifest."""
    rows: dict[str, list[Row]] = {split: [] for split in dataset.manifest["splits"]}
    for report in reports:
        rows[report.part.split] += report.rows
    for split, facts in dataset.manifest["splits"].items():
        found = rows[split]
        if len(found) != facts["rows"]:
            what = f"{len(found)} rows were read, the manifest says {facts['rows']}"
            audit.findings.append(Finding("error", "row", split, what))
        if sha256_json([[row.key, row.degraded_sha256, row.clean_sha256] for row in found]) != facts["digest"]:
            what = "its rows are not those of the manifest (digest differs)"
            audit.findings.append(Finding("error", "row", split, what))
        by_source: dict[str, Counter[str]] = {}
        for row in found:
            by_source.setdefault(row.source, Counter())[row.degradation] += 1
        if by_source != facts["by_source"]:
            what = "its pairs of each type and source are not as many as the manifest says"
            audit.findings.append(Finding("error", "row", split, what))
    times = Counter(row.key for split in rows.values() for row in split)
    for key, count in times.items():
        if count > 1:
            audit.findings.append(Finding("error", "row", key, f"the key occurs {count} times"))
    return rows


def _different_cleans(rows: Sequence[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if row.thumb is not None:
            found.setdefault(row.clean_pixels, row)
    return list(found.values())


def _read_other(
    other: OtherSet, *, workers: int, progress: Callable[[int], None]
) -> tuple[list[Print], list[tuple[str, str]]]:
    prints: list[Print] = []
    bad: list[tuple[str, str]] = []
    for some, unreadable in _in_order(read_part, other.parts(), workers=workers, progress=progress):
        prints += some
        bad += unreadable
    return prints, bad


def _numbered(job: tuple[int, Callable[[J], R], J]) -> tuple[int, R]:
    number, function, argument = job
    return number, function(argument)


def _in_order(
    function: Callable[[J], R], jobs: Sequence[J], *, workers: int, progress: Callable[[int], None]
) -> list[R]:
    numbered = [(number, function, job) for number, job in enumerate(jobs)]
    done = engine.run_jobs(_numbered, numbered, workers=workers, progress=progress)
    return [result for _, result in sorted(done, key=lambda pair: pair[0])]
