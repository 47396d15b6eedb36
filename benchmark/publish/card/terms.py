"""The terms of a dataset: those of its strictest source, as the hub's identifier and in words."""

from __future__ import annotations

from typing import Any

from benchmark.sources import SOURCES
from models.errors import UserError
from models.markdown import code, escape

PERMISSIVE_FIRST = (
    "cc0-1.0",
    "mit",
    "bsd-3-clause",
    "apache-2.0",
    "cc-by-2.0",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-nc-2.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0",
)
"""Identifiers that the hub knows, from the most permissive to the strictest."""

OTHER = "other"


def source_names(manifest: dict[str, Any]) -> list[str]:
    """Return the sources of a dataset in order of their first appearance."""
    return list(dict.fromkeys(name for split in manifest["splits"].values() for name in split["sources"]))


def title(name: str) -> str:
    """Return how prose calls a source."""
    return SOURCES[name].title if name in SOURCES else name


def _shown(name: str) -> str:
    return title(name) if name in SOURCES else escape(name)


def licence(name: str) -> str:
    """Return the terms of a source in words."""
    return (SOURCES[name].licence if name in SOURCES else "") or "none stated"


def identifier(name: str) -> str:
    """Return the hub's identifier of a source's licence, or `"other"` when it has none."""
    known = SOURCES[name].spdx.lower() if name in SOURCES else ""
    return known if known in PERMISSIVE_FIRST else OTHER


def strictest(manifest: dict[str, Any]) -> str:
    """Return the identifier of the strictest licence among the sources, `"other"` when one of them has none."""
    found = [identifier(name) for name in source_names(manifest)]
    return OTHER if not found or OTHER in found else max(found, key=PERMISSIVE_FIRST.index)


def held_back(manifest: dict[str, Any]) -> list[str]:
    """Return the sources of a dataset whose images may not be published again without asking."""
    return [name for name in source_names(manifest) if name not in SOURCES or not SOURCES[name].redistribution]


def check_rights(manifest: dict[str, Any]) -> None:
    """Refuse a dataset with a source whose images may not be published again.

    Arguments:
        manifest: The dataset's manifest.

    Raises:
        UserError: There is such a source; all of them are named with their terms.
    """
    if held := held_back(manifest):
        told = "; ".join(f"{title(name)}: {licence(name)}" for name in held)
        raise UserError(
            f"not everything in this dataset may be published again ({told}): push it with --private, or add "
            "--i-have-the-rights when the owners allow it"
        )


def render_terms(manifest: dict[str, Any]) -> str:
    """Return `LICENSE.md`: the terms of every source, and the credits of embedded photos."""
    names = source_names(manifest)
    lines = ["# Terms", "", "Each image keeps the terms of the source that it comes from:", ""]
    lines += [f"- **{_shown(name)}** ({code(name)}): {licence(name)}" for name in names]
    if held := [_shown(name) for name in held_back(manifest)]:
        lines += ["", f"Not to be published again without the owners' consent: {', '.join(held)}."]
    if "demo" in names:
        lines += ["", "## Embedded photos", "", *_photos()]
    return "\n".join(lines) + "\n"


def _photos() -> list[str]:
    from benchmark.sources.embedded.photos import PHOTOS

    rows = ["| photo | split | licence | credit |", "| --- | --- | --- | --- |"]
    return rows + [f"| {p.name} | {p.split} | {p.licence} | {p.credit} |" for p in PHOTOS]
