"""`bench list`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

KINDS = {
    "networks": ("models.networks", "NETWORKS"),
    "sources": ("benchmark.sources", "SOURCES"),
    "degradations": ("benchmark.degradations", "OPERATIONS"),
    "metrics": ("benchmark.metrics", "METRICS"),
    "protocols": ("benchmark.protocols", "PROTOCOLS"),
    "tables": ("benchmark.tables", "TABLES"),
    "captioners": ("captioning.captioners", "CAPTIONERS"),
    "recipes": ("models.recipes", "RECIPES"),
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
