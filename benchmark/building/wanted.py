"""What was asked for: sources, their options, and the counts that are expected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.sources import SOURCES
from models.errors import UserError

if TYPE_CHECKING:
    from benchmark.sources.samples import Rejected, Sample


Wanted = tuple[str, list[Path], dict[str, Any]]
"""A source that was asked for: its name, its folders and archives, its options."""


def choose_sources(
    preset: str | None, raw: Path | None, sources: tuple[str, ...], recipe_file: Path | None, options: dict[str, Any]
) -> list[Wanted]:
    """Return the sources to read, each with its folders or archives and its options.

    Raises:
        UserError: Nothing was asked for, a source is unknown or needs a path, none is found below `raw`, or an option
            belongs to no source that was asked for.
    """
    wanted: dict[str, list[Path]] = {}
    for text in sources:
        name, separator, path = text.partition("=")
        card = SOURCES[name]
        paths = wanted.setdefault(name, [])
        if card.embedded:
            continue
        if not separator or not path:
            raise UserError(f"--source {text}: expected {name}=PATH, with the folder or archive of {card.title}")
        paths.append(Path(path).resolve())
    if preset == "universal":
        if raw is None:
            raise UserError("--preset universal needs --raw DIR, the folder with the downloads")
        wanted |= _below(raw.resolve())
    elif preset:
        wanted |= {preset: []}
    chosen: list[Wanted] = []
    used: set[str] = set()
    for name, paths in wanted.items():
        mine = {key: value for key, value in options.items() if key in SOURCES[name].options}
        used |= mine.keys()
        chosen.append((name, paths, mine))
    if recipe_file is not None:
        from benchmark.building.recipe import load_recipe

        chosen += load_recipe(recipe_file)
    if not chosen:
        raise UserError("nothing to build: give --preset demo, or --source NAME=PATH (see bench list sources)")
    if unused := [f"--{name}" for name in options if name not in used]:
        takers = [card.name for card in SOURCES.values() if set(card.options) & {name[2:] for name in unused}]
        raise UserError(f"{', '.join(unused)} belongs to --source {' or '.join(takers)}, which was not asked for")
    return chosen


def _below(raw: Path) -> dict[str, list[Path]]:
    from benchmark.sources.open import find_sources

    found = dict(find_sources(raw))
    if "universal" not in found:
        expected = [card for card in SOURCES.values() if card.counts]
        for card in expected:
            if card.name not in found:
                click.echo(f"not found below {raw}: {card.title} ({card.obtain})", err=True)
    return found


def read_sources(wanted: list[Wanted]) -> tuple[list[Sample], list[Rejected]]:
    """List the pairs of all sources, and what cannot be used."""
    from benchmark.sources.open import open_source
    from benchmark.sources.samples import Sample

    samples: list[Sample] = []
    rejected: list[Rejected] = []
    for name, paths, options in wanted:
        for item in open_source(name, paths, options=options):
            if isinstance(item, Sample):
                samples.append(item)
            else:
                rejected.append(item)
    return samples, rejected


def refuse_other_counts(samples: list[Sample], wanted: list[Wanted], *, whole: bool) -> None:
    """Refuse sources that do not hold the published number of pairs.

    Arguments:
        samples: What was found.
        wanted: The sources.
        whole: Whether all of Table 1 is expected, whichever sources are there.

    Raises:
        UserError: A count differs; every difference is named.
    """
    from benchmark.sources.counts import differences

    names = [card.name for card in SOURCES.values() if card.counts] if whole else [name for name, _, _ in wanted]
    if whole and any(name == "universal" for name, _, _ in wanted):
        names = ["universal"]
    if told := differences(samples, names):
        raise UserError(
            f"--strict refuses these sources, their counts are not the published ones ({'; '.join(told)}): "
            "complete them, or build without --strict"
        )
