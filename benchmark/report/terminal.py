"""Tables for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmark.counts import compare


def print_counts(manifest: dict[str, Any]) -> None:
    """Print the pairs of a dataset against Table 1 of the paper, on stdout."""
    table = Table(title="Pairs against Table 1 of the paper", title_justify="left")
    table.add_column("degradation")
    table.add_column("source in the paper")
    for name in ("train", "paper", "test", "paper"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in compare(manifest["splits"]):
        mark = "as in the paper" if row.agrees else ("test as in the paper" if row.test == row.test_expected else "")
        numbers = (row.train, row.train_expected, row.test, row.test_expected)
        table.add_row(
            row.degradation,
            row.source,
            *(f"{n:,}" for n in numbers),
            mark,
            end_section=row.degradation == "uncompleted",
        )
    # A fixed width when stdout is a file, so the table is not wrapped to an imagined terminal of 80 columns.
    console = Console()
    (console if console.is_terminal else Console(width=110)).print(table)


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table of words, the first column to the left and the others to the right."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=110)).print(table)
