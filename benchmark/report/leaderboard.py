"""The leaderboard pages and figures: generated from published numbers and results, never edited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import benchmark
from benchmark.report.classification import classification_drawing
from benchmark.report.figure import Drawing
from benchmark.report.index import index_page, label
from benchmark.report.markdown import page, section_text
from benchmark.report.nfe import nfe_markdown
from benchmark.report.robustness import robustness_boards
from benchmark.report.speed_networks import PAGES as SPEED_PAGES
from benchmark.report.speed_networks import speed_pages
from benchmark.results.classification import read_classifications
from benchmark.results.counts import read_counts
from benchmark.results.files import result_path
from benchmark.results.restoration import Result, read_results
from benchmark.results.robustness import FOLDER as ROBUSTNESS
from benchmark.results.robustness import read_robustness
from benchmark.results.sweep import read_sweep
from benchmark.tables import PAGES, TABLES, TableCard
from benchmark.tables.classification import figure_path
from benchmark.tables.view import Records, Section
from models.errors import UserError, close_match
from models.files import sweep_partials, write_bytes, write_text

PUBLISHED = Path(benchmark.__file__).resolve().parents[1] / "leaderboards" / "published"
"""The numbers printed in papers; the same place in a checkout and in an installed wheel."""

GENERATED = ("table-*.md", f"{ROBUSTNESS}/*.md", f"{ROBUSTNESS}/*.png", "classification/*.png", SPEED_PAGES)
"""What is removed when nothing measured asks for it any more."""


@dataclass(frozen=True)
class Generated:
    """Everything that the results ask for: Markdown pages and figures, by path from the leaderboards folder."""

    pages: Mapping[str, str]
    figures: Mapping[str, Drawing]

    def is_current(self, leaderboards: Path, name: str) -> bool:
        """Say whether a file is there as it would be generated."""
        path = leaderboards / name
        if name in self.figures:
            return self.figures[name].is_drawn(path)
        return path.is_file() and path.read_bytes() == self.pages[name].encode("utf-8")

    def outdated(self, leaderboards: Path) -> list[Path]:
        """Return the files that are absent, differ from what would be generated, or belong to nothing."""
        names = [*self.pages, *self.figures]
        found = {path.relative_to(leaderboards).as_posix() for glob in GENERATED for path in leaderboards.glob(glob)}
        stale = [name for name in names if not self.is_current(leaderboards, name)]
        return [leaderboards / name for name in [*stale, *sorted(found - set(names))]]


def read_records(leaderboards: Path) -> Records:
    """Read everything measured below `leaderboards`; an absent folder holds nothing."""
    rows: dict[tuple[str, str, str], Any] = {}
    results = read_results(leaderboards, keep=lambda result, found: rows.update({_name(result): found}))
    return Records(
        results=results,
        classifications=read_classifications(leaderboards),
        counts=read_counts(leaderboards),
        robustness=read_robustness(leaderboards),
        per_image=lambda result: rows.get(_name(result)),
    )


def _name(result: Result) -> tuple[str, str, str]:
    return result.test_set.name, result.method.name, result.protocol.id


def without_rows(leaderboards: Path, records: Records) -> list[Path]:
    """Return the results whose rows are gone: nothing can be tested with them, and their means not be checked."""
    return [
        result_path(leaderboards, test_set=test_set, method=method, kind=kind)
        for result in records.results
        for test_set, method, kind in [_name(result)]
        if records.per_image(result) is None
    ]


def table_sections(name: str, *, records: Records, published: Path = PUBLISHED) -> list[Section]:
    """Return the sections of one table: the published one first, then the measured ones."""
    return TABLES.load(name)(card=TABLES[name], published=published, records=records)


def check_page_name(name: str) -> None:
    """Refuse a name that is neither a table's nor a page's.

    Raises:
        UserError: With the closest name.
    """
    known = [*TABLES, *PAGES]
    if name not in known:
        raise UserError(f"there is no table called {name!r}{close_match(name, known)} (known: {', '.join(known)})")


def table_page(name: str, *, records: Records, published: Path = PUBLISHED) -> str:
    """Return one table, or one page that compares tables, as Markdown."""
    check_page_name(name)
    if name in PAGES:
        return _comparison(name, records, published)
    return _table(TABLES[name], table_sections(name, records=records, published=published))


def everything(leaderboards: Path, published: Path = PUBLISHED, *, records: Records | None = None) -> Generated:
    """Return every page and figure; the same results always give the same ones.

    Arguments:
        leaderboards: The leaderboards folder.
        published: The folder of published numbers.
        records: What `read_records` returned; None to read it.
    """
    records = records or read_records(leaderboards)
    sections = {name: table_sections(name, records=records, published=published) for name in TABLES}
    sweeps = {path.stem: read_sweep(path) for path in sorted((leaderboards / "nfe").glob("*.json"))}
    boards = robustness_boards(records.robustness)
    speed = speed_pages(leaderboards)
    pages = {"README.md": index_page(sections, records, sweeps=sweeps, boards=boards, speed=list(speed)), **speed}
    pages |= {f"table-{name}.md": _table(card, sections[name]) for name, card in TABLES.items()}
    pages |= {f"{name}.md": _comparison(name, records, published) for name in PAGES}
    pages |= {f"{ROBUSTNESS}/{board.name}.md": board.page() for board in boards}
    pages |= {f"nfe/{name}.md": nfe_markdown(sweep) for name, sweep in sweeps.items()}
    figures = {figure_path(result): classification_drawing(result) for result in records.classifications}
    figures |= {f"{ROBUSTNESS}/{name}": drawing for board in boards for name, drawing in board.drawings().items()}
    return Generated(pages=pages, figures=figures)


def generate(leaderboards: Path, published: Path = PUBLISHED) -> dict[str, str]:
    """Return every page, `{name of the file: text}`."""
    return dict(everything(leaderboards, published).pages)


def write(leaderboards: Path, published: Path = PUBLISHED, *, records: Records | None = None) -> list[Path]:
    """Write every page and figure that has changed, remove those of nothing, and return the paths touched."""
    generated = everything(leaderboards, published, records=records)
    for name in ("", "nfe", ROBUSTNESS, "classification", "speed"):
        sweep_partials(leaderboards / name)  # a killed run may have left half a page that is whole by now
    touched = generated.outdated(leaderboards)
    for path in touched:
        name = path.relative_to(leaderboards).as_posix()
        if name in generated.pages:
            write_text(path, generated.pages[name])
        elif name in generated.figures:
            write_bytes(path, generated.figures[name].png())
        else:
            path.unlink()
    return touched


def stale(leaderboards: Path, published: Path = PUBLISHED, *, records: Records | None = None) -> list[Path]:
    """Return the pages and figures that are absent, differ from what would be generated, or belong to nothing."""
    return everything(leaderboards, published, records=records).outdated(leaderboards)


def _table(card: TableCard, sections: Iterable[Section]) -> str:
    back = "[All tables](README.md). Published rows are as printed; measured rows were made by this project's commands."
    return page(f"{label(card)}: {card.title}", [back, *[section_text(section) for section in sections]])


def _comparison(name: str, records: Records, published: Path) -> str:
    build: Any = PAGES.load(name)
    sections = build(published=published, records=records)
    blocks = [f"[All tables](README.md). {PAGES[name].about}.", *[section_text(section) for section in sections]]
    if not sections:
        blocks.append("Nothing was measured yet.")
    return page(PAGES[name].title, blocks)
