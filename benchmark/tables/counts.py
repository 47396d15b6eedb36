"""Table 1: the printed pair counts, then those of datasets that were built."""

from __future__ import annotations

from pathlib import Path

from benchmark.results.counts import CountsResult
from benchmark.tables import TableCard
from benchmark.tables.published import PublishedCounts, read_published
from benchmark.tables.view import ABSENT, Cell, Records, Section, short_commit
from models.markdown import code
from models.vocabulary import LABELS, SPLITS, in_order, label


def build(*, card: TableCard, published: Path, records: Records) -> list[Section]:
    """Return the published counts and one section for each built dataset."""
    printed = read_published(PublishedCounts, published, table=card.name)
    return [_published(printed), *[_measured(result) for result in records.counts]]


def _published(printed: PublishedCounts) -> Section:
    rows = [
        (LABELS[row.degradation], row.degradation, row.train_source, row.test_source, str(row.train), str(row.test))
        for row in printed.rows
    ]
    rows.append(("Total", "", "", "", str(printed.total["train"]), str(printed.total["test"])))
    return Section(
        title="Published",
        kind="published",
        headers=tuple(Cell(text=head) for head in ("Type", "Word", "Train source", "Test source", "Train", "Test")),
        numeric=(False, False, False, False, True, True),
        rows=tuple(tuple(Cell(text=text) for text in row) for row in rows),
        intro=(str(printed.citation), f"Read in: {printed.read_in}."),
        remarks=printed.notes,
    )


def _measured(result: CountsResult) -> Section:
    counts = [result.counts.get(split, {}) for split in SPLITS]
    words = in_order(word for each in counts for word in each)
    rows = [(label(w), w, *[str(each[w]) if w in each else ABSENT for each in counts]) for w in words]
    rows.append(("Total", "", *[str(sum(each.values())) for each in counts]))
    return Section(
        title=f"Measured: {result.dataset.name}",
        kind="measured",
        headers=tuple(Cell(text=head) for head in ("Type", "Word", "Train", "Test")),
        numeric=(False, False, True, True),
        rows=tuple(tuple(Cell(text=text) for text in row) for row in rows),
        intro=(f"Dataset {code(result.dataset.name)}, digest {code(result.dataset.digest[:12])}.",),
        births=(
            (result.dataset.name, result.command, f"{short_commit(result.commit)}, tool {result.tool}, {result.date}"),
        ),
    )
