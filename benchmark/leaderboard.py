"""The leaderboard pages: generated from published numbers and results, never edited."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import benchmark
from benchmark.classification_results import read_classifications
from benchmark.counts_results import read_counts
from benchmark.report.markdown import code, escape, page, section_text, table
from benchmark.results import Result, read_results
from benchmark.tables import TABLES, TableCard
from benchmark.tables.restoration import belongs
from benchmark.tables.restoration import build as restoration
from benchmark.tables.view import Records, Section
from models.files import write_text

PUBLISHED = Path(benchmark.__file__).resolve().parents[1] / "leaderboards" / "published"
"""The numbers printed in papers; the same place in a checkout and in an installed wheel."""


def read_records(leaderboards: Path) -> Records:
    """Read everything measured below `leaderboards/results`; an absent folder holds nothing."""
    return Records(
        results=read_results(leaderboards),
        classifications=read_classifications(leaderboards),
        counts=read_counts(leaderboards),
    )


def table_sections(name: str, *, records: Records, published: Path = PUBLISHED) -> list[Section]:
    """Return the sections of one table: the published one first, then the measured ones."""
    return TABLES.load(name)(card=TABLES[name], published=published, records=records)


def table_page(name: str, *, records: Records, published: Path = PUBLISHED) -> str:
    """Return the page of one table as Markdown."""
    return _page(TABLES[name], table_sections(name, records=records, published=published))


def generate(leaderboards: Path, published: Path = PUBLISHED) -> dict[str, str]:
    """Return every page, `{name of the file: text}`; the same results always give the same text."""
    records = read_records(leaderboards)
    sections = {name: table_sections(name, records=records, published=published) for name in TABLES}
    pages = {"README.md": _index(sections, records)}
    for name, card in TABLES.items():
        pages[f"table-{name}.md"] = _page(card, sections[name])
    return pages


def write(leaderboards: Path, published: Path = PUBLISHED) -> list[Path]:
    """Write every page that has changed, remove pages of tables that are no more, and return the paths touched."""
    pages = generate(leaderboards, published)
    touched = _outdated(leaderboards, pages)
    for path in touched:
        if path.name in pages:
            write_text(path, pages[path.name])
        else:
            path.unlink()
    return touched


def stale(leaderboards: Path, published: Path = PUBLISHED) -> list[Path]:
    """Return the pages that are absent, differ from what would be generated, or belong to no table."""
    return _outdated(leaderboards, generate(leaderboards, published))


def _outdated(leaderboards: Path, pages: dict[str, str]) -> list[Path]:
    def differs(name: str) -> bool:
        path = leaderboards / name
        return not path.is_file() or path.read_bytes() != pages[name].encode("utf-8")

    orphans = [path for path in sorted(leaderboards.glob("table-*.md")) if path.name not in pages]
    return [leaderboards / name for name in pages if differs(name)] + orphans


def label(card: TableCard) -> str:
    """Return how a table is called in prose."""
    return f"Table {card.name}" if card.name[0].isdigit() else card.name.capitalize()


def _page(card: TableCard, sections: Iterable[Section]) -> str:
    back = "[All tables](README.md). Published rows are as printed; measured rows were made by this project's commands."
    return page(f"{label(card)}: {card.title}", [back, *[section_text(section) for section in sections]])


def _index(sections: dict[str, list[Section]], records: Records) -> str:
    def rows(name: str, kind: str) -> str:
        return str(sum(len(s.rows) for s in sections[name] if s.kind == kind and s.level == 2))

    tables = table(
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
    blocks = [
        "Scores of image restoration methods on mixed degradations, for the tables of DA-CLIP (ICLR 2024).",
        tables,
        "## How to read them",
        "- **Published** rows are the numbers printed in a paper, with their citation. Where we know how a cell was"
        " computed, or that it cannot be compared with its neighbours, a numbered note says so.\n"
        "- **Measured** rows come from result files written by this project. Each section holds one test set (by"
        " digest) and one protocol (by version); bold marks the best of that section, and of a section only.\n"
        "- `-` is a number that is not there; a line below the table says what would fill it.\n"
        "- The 95 % interval is a bootstrap over the images of the test set.",
        "## How to add a row",
        "1. `bench eval --table 3 --data DATASET --runs RUNS` evaluates trained networks and writes `results/`. A"
        " method from elsewhere is a folder of its restored images: `bench eval --restored DIR --clean DIR --protocol P"
        " --json FILE` writes the same form, which belongs in `results/<test set>/<method>.<protocol>.json`.\n"
        "2. `bench leaderboard` writes these pages; `bench leaderboard --check` tells when one is out of date.\n"
        "3. Commit `results/` with the pages. Numbers that a paper printed go to `published/table-*.yaml` instead.",
    ]
    if others := [result for result in records.results if not _shown(result)]:
        blocks += ["## Results that no table shows", "\n".join(_line(result) for result in others)]
    return page("Leaderboards", blocks)


def _shown(result: Result) -> bool:
    return any(belongs(card, result) for name, card in TABLES.items() if TABLES.load(name) is restoration)


def _line(result: Result) -> str:
    scores = ", ".join(f"{name} {score.number:.4g}" for name, score in result.metrics.items())
    return (
        f"- {escape(result.method.title)} on {escape(result.test_set.title)} (n = {result.n}, "
        f"digest `{result.test_set.digest[:12]}`, protocol `{result.protocol}`): {scores}"
    )
