"""Read the numbers printed in papers, exactly as printed, and show them as a section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmark.metrics import METRICS
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.strict import parse
from benchmark.tables.view import Cell, Section, embolden, head
from models.errors import UserError, close_match
from models.networks import NETWORKS
from models.vocabulary import check_degradation

T = TypeVar("T")


@dataclass(frozen=True)
class Citation:
    """Where the numbers were printed."""

    title: str
    authors: str
    venue: str
    year: int
    url: str

    def __str__(self) -> str:
        return f"{self.authors}: {self.title}, {self.venue} {self.year}, {self.url}"


@dataclass(frozen=True)
class Note:
    """Our reading of some printed cells; no rows and no columns means the whole table."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class PublishedRow:
    """One method; the values are text, so that trailing zeros stay as printed.

    Arguments:
        method: Name as printed.
        values: The cells, by metric.
        network: Our network of this method, when its released weights can be run here.
    """

    method: str
    values: Mapping[str, str]
    network: str | None = None


@dataclass(frozen=True)
class PublishedScores:
    """A printed table of scores; `fits` names for each column the protocol of ours that it fits, where we know it.

    Raises:
        UserError: A row lacks a column or holds something that is no number, or a note, a network or a protocol is
            none that exists.
    """

    schema: int
    table: str
    title: str
    citation: Citation
    read_in: str
    protocol: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    notes: tuple[Note, ...]
    fits: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_known("metric", self.columns, METRICS)
        _check_known("column", tuple(self.fits), self.columns)
        _check_known("protocol", tuple(self.fits.values()), PROTOCOLS)
        _check_known("network", tuple(row.network for row in self.rows if row.network), NETWORKS)
        methods = [row.method for row in self.rows]
        for row in self.rows:
            if tuple(row.values) != self.columns:
                raise UserError(f"{row.method}: its values must be {', '.join(self.columns)}, in this order")
            for name, text in row.values.items():
                try:
                    float(text)
                except ValueError:
                    raise UserError(f"{row.method}: {name} is {text!r}, which is no number") from None
        for note in self.notes:
            _check_known("row", note.rows, methods)
            _check_known("column", note.columns, self.columns)


@dataclass(frozen=True)
class PublishedCount:
    """How many pairs of one type there are, and of which sources."""

    degradation: str
    train_source: str
    test_source: str
    train: int
    test: int

    def __post_init__(self) -> None:
        check_degradation(self.degradation)


@dataclass(frozen=True)
class PublishedCounts:
    """The printed table of pair counts.

    Raises:
        UserError: The rows do not add up to the printed total.
    """

    schema: int
    table: str
    title: str
    citation: Citation
    read_in: str
    rows: tuple[PublishedCount, ...]
    total: Mapping[str, int]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        sums = {"train": sum(row.train for row in self.rows), "test": sum(row.test for row in self.rows)}
        if sums != dict(self.total):
            raise UserError(f"the rows add up to {sums}, but the total says {dict(self.total)}")


def _check_known(what: str, names: tuple[str, ...], known: Any) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"there is no {what} {name!r}{close_match(name, known)}")


def read_published(kind: type[T], folder: Path, *, table: str) -> T:
    """Read `table-<table>.yaml` from the folder of published numbers, refusing unknown keys.

    Raises:
        UserError: The file is absent, no YAML, or not of the declared form.
    """
    import yaml

    path = folder / f"table-{table}.yaml"
    try:
        value = _loader()(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError:
        raise UserError(f"published numbers not found: {path}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"published numbers are not valid YAML: {path} ({reason})") from None
    published: Any = parse(kind, value, where=str(path))
    if published.schema != 1 or published.table != table:
        raise UserError(
            f"{path}: expected schema 1 and table {table!r}, got {published.schema} and {published.table!r}"
        )
    return published


def _loader() -> Any:
    """Return YAML's safe loader, which refuses a key that stands twice and names for values that stand elsewhere."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it names a value that stands elsewhere (&, *), which can fill all of memory")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if len({repr(key) for key in keys}) != len(keys):
                raise yaml.YAMLError(f"a key stands twice{node.start_mark}")
            return super().construct_mapping(node, deep=deep)

    return Loader


def published_section(published: PublishedScores) -> Section:
    """Show printed scores as they are, the best of each column in bold, with our notes numbered.

    A note stands at its cells; one without columns at the names of its rows, one without rows at the column heads.
    """
    numbered = [note for note in published.notes if note.rows or note.columns]

    def marks(row: str | None, column: str | None) -> tuple[int, ...]:
        return tuple(
            i
            for i, note in enumerate(numbered, start=1)
            if (column in note.columns if column is not None else not note.columns)
            and (row in note.rows if row is not None else not note.rows)
        )

    columns = [
        embolden(
            [Cell(text=row.values[name], notes=marks(row.method, name)) for row in published.rows],
            higher_is_better=METRICS[name].higher_is_better,
        )
        for name in published.columns
    ]
    heads = [Cell(text=head(METRICS[name]), notes=marks(None, name)) for name in published.columns]
    return Section(
        title="Published",
        kind="published",
        headers=(Cell(text="Method"), *heads),
        numeric=(False, *[True] * len(published.columns)),
        rows=tuple(
            (Cell(text=row.method, notes=marks(row.method, None)), *[column[i] for column in columns])
            for i, row in enumerate(published.rows)
        ),
        intro=(
            str(published.citation),
            f"Protocol as printed: {published.protocol}.",
            *protocols_that_fit(published),
            f"Read in: {published.read_in}.",
        ),
        remarks=tuple(note.text for note in published.notes if note not in numbered),
        notes=tuple(note.text for note in numbered),
    )


def protocols_that_fit(published: PublishedScores) -> list[str]:
    """Say for each column which of our protocols it fits; nothing for a table without columns."""
    if not published.columns:
        return []
    labels = [f"{METRICS[name].label} {_protocol(published.fits.get(name))}" for name in published.columns]
    return [f"Protocol of ours that each column fits: {', '.join(labels)}."]


def _protocol(name: str | None) -> str:
    return "not known" if name is None else f"`{name}`"
