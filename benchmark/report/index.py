"""The index of the leaderboards: every table and page, and how to add a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.markdown import page
from benchmark.report.robustness import Board
from benchmark.results.restoration import Result
from benchmark.tables import PAGES, TABLES, TableCard
from benchmark.tables.restoration import belongs
from benchmark.tables.restoration import build as restoration
from benchmark.tables.view import Records, Section
from models.markdown import code, escape, link, table

READING = """\
- **Published** rows are the numbers printed in a paper, with their citation. Where we know how a cell was computed, \
or that it cannot be compared with its neighbours, a numbered note says so.
- **Measured** rows come from result files written by this project. Each section holds one test set (by digest) and \
one protocol (by version), and says what the protocol does in each column; bold marks the best of that section, and \
of a section only.
- `°` marks what is as good as the best: its mean is not significantly worse, by a paired bootstrap over the images.
- `-` is a number that is not there; a line below the table says what would fill it.
- The 95 % interval is a bootstrap over the images of the test set."""

ADDING = """\
1. `bench eval --table 3 --data DATASET --runs RUNS` evaluates trained networks and writes `results/`, \
`bench eval --data DATASET --network NETWORK --weights FILE --protocol PROTOCOL` one network under the protocols that \
are named. A method from elsewhere is a folder of its restored images: `bench eval --data DATASET --restored DIR \
--method NAME --protocol PROTOCOL`.
2. `bench robustness --data CLEAN --network NETWORK --weights FILE` writes `robustness/`.
3. `bench leaderboard` writes these pages and their figures; `bench leaderboard --check` tells when one is out of date.
4. Commit results and pages. Numbers that a paper printed go to `published/table-*.yaml` instead."""


def label(card: TableCard) -> str:
    """Return how a table is called in prose."""
    return f"Table {card.name}" if card.name[0].isdigit() else card.name.capitalize()


def index_page(
    sections: Mapping[str, Sequence[Section]],
    records: Records,
    *,
    sweeps: Mapping[str, Any],
    boards: Sequence[Board],
    speed: Sequence[str] = (),
) -> str:
    """Return the index as Markdown.

    Arguments:
        sections: Those of each table.
        records: Everything measured.
        sweeps: What the sweeps over network calls hold, by name.
        boards: The pages about robustness.
        speed: Paths of the pages about the speed of networks.
    """
    blocks = [
        "Scores of image restoration methods on mixed degradations, for the tables of DA-CLIP (ICLR 2024).",
        _tables(sections),
        "\n".join(f"- [{card.title}]({name}.md): {_lower(card.about)}." for name, card in PAGES.items()),
        "## How to read them",
        READING,
        "## How to add a row",
        ADDING,
    ]
    if boards:
        lines = [f"- {link(board.title, f'robustness/{board.name}.md')}: {escape(board.about)}" for board in boards]
        blocks += ["## Robustness", "\n".join(lines)]
    if sweeps:
        told = [(name, sweep["identity"]) for name, sweep in sweeps.items()]
        lines = [f"- {link(_sweep_title(found), f'nfe/{name}.md')}" for name, found in told]
        blocks += ["## Quality against network calls", "\n".join(lines)]
    if speed:
        names = [(name.rpartition("/")[2].removesuffix(".md"), name) for name in speed]
        blocks += [
            "## Speed and memory of the networks",
            "\n".join(f"- {link(*name)}, by `bench speed networks`" for name in names),
        ]
    if others := [result for result in records.results if not _shown(result)]:
        blocks += ["## Results that no table shows", "\n".join(_line(result) for result in others)]
    return page("Leaderboards", blocks)


def _tables(sections: Mapping[str, Sequence[Section]]) -> str:
    def rows(name: str, kind: str) -> str:
        return str(sum(len(s.rows) for s in sections[name] if s.kind == kind and s.level == 2))

    return table(
        ["Table", "Shows", "Protocol", "Published rows", "Measured rows"],
        [
            [
                f"[{label(card)}](table-{name}.md)",
                card.title,
                code(card.protocol) if card.protocol else "-",
                rows(name, "published"),
                rows(name, "measured"),
            ]
            for name, card in TABLES.items()
        ],
        numeric=(False, False, False, True, True),
    )


def _sweep_title(identity: Mapping[str, Any]) -> str:
    return f"{identity['title']} on {identity['test_set']['name']}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _shown(result: Result) -> bool:
    return any(belongs(card, result) for name, card in TABLES.items() if TABLES.load(name) is restoration)


def _line(result: Result) -> str:
    scores = ", ".join(f"{escape(name)} {score.number:.4g}" for name, score in result.metrics.items())
    return (
        f"- {escape(result.method.title)} on {escape(result.test_set.title)} (n = {result.n}, "
        f"digest {code(result.test_set.digest[:12])}, protocol {code(str(result.protocol))}): {scores}"
    )
