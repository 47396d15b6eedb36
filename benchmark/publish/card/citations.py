"""The bibliography of a dataset: the paper whose data it rebuilds, and its sources."""

from __future__ import annotations

from benchmark.publish.card.terms import title
from benchmark.sources import SOURCES

PAPER = "universal"
"""The source that carries the paper's own entry."""


def bibliography(names: list[str]) -> list[str]:
    """Return BibTeX entries of the paper and of the sources that have a citation, each once.

    Arguments:
        names: The sources of a dataset.
    """
    cards = [SOURCES[name] for name in (PAPER, *names) if name in SOURCES]
    entries = (card.bibtex or _entry(card.name, card.citation) for card in cards if card.bibtex or card.citation)
    return list(dict.fromkeys(entry.strip() for entry in entries))


def cite(name: str) -> str:
    """Return the citation of a source in words, or its title when it has none."""
    return (SOURCES[name].citation if name in SOURCES else "") or title(name)


def _entry(key: str, citation: str) -> str:
    return f"@misc{{{key},\n  title = {{{citation}}}\n}}"
