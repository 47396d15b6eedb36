"""`bench list`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

KINDS = {
    "networks": ("models.networks", "NETWORKS"),
    "samplers": ("models.diffusion.samplers", "SAMPLERS"),
    "sources": ("benchmark.sources", "SOURCES"),
    "degradations": ("benchmark.degradations", "OPERATIONS"),
    "metrics": ("benchmark.metrics", "METRICS"),
    "protocols": ("benchmark.metrics.protocols", "PROTOCOLS"),
    "tables": ("benchmark.tables", "TABLES"),
    "captioners": ("captioning.captioners", "CAPTIONERS"),
    "recipes": ("models.recipes", "RECIPES"),
    "layouts": ("benchmark.export", "LAYOUTS"),
}
"""Each kind: the module and the name of its catalogue."""


@click.command(
    name="list",
    epilog="""\b
Examples:
  bench list networks
  bench list protocols --json""",
)
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--json", "as_json", is_flag=True, help="Print every declared fact as JSON.")
def command(kind: str, as_json: bool) -> None:
    """List what there is of a KIND."""
    import importlib

    module, attribute = KINDS[kind]
    catalogue = getattr(importlib.import_module(module), attribute)
    cards: list[dict[str, Any]] = [asdict(card) for card in catalogue.values()]
    if as_json:
        click.echo(json.dumps(cards, indent=2, ensure_ascii=False))
        return
    width = max(len(card["name"]) for card in cards)
    for card in cards:
        detail = [card.get(key) for key in ("title", "label", "summary", "description") if card.get(key)]
        click.echo(f"{card['name']:<{width}}  {'. '.join(str(part).rstrip('.') for part in detail[:2])}")
        for line in _where_from(card) if kind == "sources" else ():
            click.echo(f"{'':<{width}}    {line}")


def _where_from(card: dict[str, Any]) -> Iterator[str]:
    """Yield what a user who looks for a source has to know: how much there is, how it lies, where it is offered."""
    for split, counts in card["counts"].items():
        yield f"{split}: {', '.join(f'{n:,} {word}' for word, n in counts.items())}"
    if card["layout"]:
        yield f"layout: {card['layout']}"
    for file in card["files"]:
        size = f" ({file['size']:,} bytes)" if file["size"] else ""
        told = "; ".join(part for part in (file["page"], file["note"]) if part)
        yield f"file: {file['name']}{size}{', ' + told if told else ''}"
    if card["licence"]:
        yield f"licence: {card['licence']}"
