"""How a dataset was asked for, as a command and as a recipe file."""

from __future__ import annotations

from typing import Any

import yaml

from benchmark.sources import SOURCES


def command(recipe: dict[str, Any]) -> str:
    """Return the command that builds the dataset again; capital words stand for one's own folders.

    Arguments:
        recipe: The manifest's `recipe`.
    """
    preset = recipe.get("preset")
    if preset == "universal":
        return "bench build-dataset --preset universal --raw DOWNLOADS --out DATASET"
    if preset == "demo":
        return "bench build-dataset --preset demo --out DATASET"
    return "bench build-dataset --recipe sources.yaml --out DATASET"


def recipe_file(recipe: dict[str, Any]) -> str:
    """Return `sources.yaml`, or an empty string when the recipe names no source.

    Arguments:
        recipe: The manifest's `recipe`.
    """
    entries = []
    for source in recipe.get("sources") or ():
        told = {"name": source} if isinstance(source, str) else dict(source)
        name = told.pop("name")
        embedded = name in SOURCES and SOURCES[name].embedded
        entries.append({"name": name, **({} if embedded else {"path": "PATH"}), **told})
    return yaml.safe_dump({"sources": entries}, sort_keys=False) if entries else ""
