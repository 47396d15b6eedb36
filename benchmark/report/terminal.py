"""Tables for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.engine.printing import visible
from benchmark.sources import SOURCES
from benchmark.sources.counts import compare, compare_sources
from models.vocabulary import SPLITS


def print_counts(manifest: dict[str, Any], *, whole: bool = False) -> None:
    """Print the pairs of a dataset against Table 1 of the paper, on stdout.

    Arguments:
        manifest: The dataset's manifest.
        whole: Whether the dataset is meant to be the paper's, so that every difference is called one.
    """
    table = Table(title="Pairs against Table 1 of the paper", title_justify="left")
    table.add_column("degradation")
    table.add_column("source in the paper")
    for name in ("train", "paper", "test", "paper"):
        table.add_column(name, justify="right")
    table.add_column("")
    rows = compare(manifest["splits"])
    for number, row in enumerate(rows):
        mark = "as in the paper" if row.agrees else ("test as in the paper" if row.test == row.test_expected else "")
        if whole and not row.agrees:
            train, test = row.train - row.train_expected, row.test - row.test_expected
            mark = f"[bold red]DIFFERS: {train:+,} train, {test:+,} test"
        numbers = (row.train, row.train_expected, row.test, row.test_expected)
        table.add_row(
            _text(row.degradation),
            row.source,
            *(f"{n:,}" for n in numbers),
            mark,
            end_section=number == len(rows) - 2,
        )
    _console().print(table)


def print_source_counts(manifest: dict[str, Any]) -> None:
    """Print the pairs of each source of a dataset against what the source publishes, on stdout."""
    table = Table(title="Pairs by source", title_justify="left")
    for name in ("source", "split", "degradation"):
        table.add_column(name)
    for name in ("found", "expected"):
        table.add_column(name, justify="right")
    table.add_column("")
    found = {
        (source, word, split): count
        for split, facts in manifest["splits"].items()
        for source, counts in facts["by_source"].items()
        for word, count in counts.items()
    }
    cards = [SOURCES[name] for name in dict.fromkeys(source for source, _, _ in found)]
    expected = {(row.source, row.degradation, row.split): row.expected for row in compare_sources(found, cards)}
    for key in sorted(expected.keys() | found.keys(), key=lambda key: (key[0], SPLITS.index(key[2]), key[1])):
        source, word, split = key
        have, want = found.get(key, 0), expected.get(key)
        mark = "" if want is None else "as published" if have == want else f"[bold red]DIFFERS: {have - want:+,}"
        table.add_row(_text(source), split, _text(word), f"{have:,}", "-" if want is None else f"{want:,}", mark)
    _console().print(table)


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table of words, the first column to the left and the others to the right."""
    table = Table()
    for number, name in enumerate(header):
        table.add_column(_text(name), justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    console = _console()
    # As the table's own title it would be wrapped to the width of the table.
    console.print(_text(title), style="italic", markup=False, highlight=False)
    console.print(table)


def _text(text: str) -> Text:
    """Return a text that stands for itself: brackets are no markup, and what is not seen is shown as its code."""
    return Text(visible(text))


def _console() -> Console:
    # A fixed width when stdout is a file, so the table is not wrapped to an imagined terminal of 80 columns.
    console = Console()
    return console if console.is_terminal else Console(width=120)
