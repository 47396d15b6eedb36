"""The dataset card: a README.md that people, the Hugging Face hub and `datasets.load_dataset` understand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmark.dataset.schema import RECORDS
from benchmark.publish.card.captions import CaptionSet
from benchmark.publish.card.citations import bibliography, cite
from benchmark.publish.card.columns import COLUMNS
from benchmark.publish.card.header import PRETTY_NAME, header
from benchmark.publish.card.issues import known_issues
from benchmark.publish.card.recipe import command, recipe_file
from benchmark.publish.card.terms import licence, source_names, title
from benchmark.publish.hub.files import TERMS
from benchmark.sources import SOURCES
from benchmark.sources.counts import compare
from models.markdown import block, cell, code, escape

LISTED = 200
"""Quarantined pairs that the card lists; the manifest holds all."""


def render_card(manifest: dict[str, Any], folder: Path, captions: Iterable[CaptionSet]) -> str:
    """Return the card.

    Arguments:
        manifest: The dataset's manifest.
        folder: The dataset folder, for the sizes of its files.
        captions: Its captions.
    """
    captions = list(captions)
    names = source_names(manifest)
    top = yaml.safe_dump(header(manifest, folder, captions), sort_keys=False, width=120)
    pairs = ", ".join(f"{split['rows']:,} for {name}ing" for name, split in manifest["splits"].items())
    parts = [
        f"# {PRETTY_NAME}",
        f"Pairs of a degraded and a clean image: {pairs}. Digest of the data: {code(str(manifest['digest']))}.",
        *("## Load it", _load(captions)),
        *("## A row", _table(("column", "meaning"), [(f"`{name}`", COLUMNS[name]) for name in RECORDS.names])),
        *_captions(captions),
        *("## Counts against Table 1 of the paper", _table_1(manifest)),
        *("## Counts by source", _by_source(manifest)),
        *("## Sources", f"The terms in full are in [{TERMS}]({TERMS}).", "\n".join(_source(name) for name in names)),
        *("## How it was built", _built(manifest)),
        *_quarantine(manifest["quarantine"]),
        *_issues(names),
        *("## Citation", block("\n\n".join(bibliography(names)), "bibtex")),
    ]
    return f"---\n{top}---\n\n" + "\n\n".join(parts) + "\n"


def _load(captions: Sequence[CaptionSet]) -> str:
    lines = [
        "```python",
        "from datasets import load_dataset",
        "",
        'pairs = load_dataset("PATH_OR_REPO_ID")  # "degraded" and "clean" are decoded on access',
    ]
    lines += [f'captions = load_dataset("PATH_OR_REPO_ID", "{made.config}")  # join by "key"' for made in captions[:1]]
    return "\n".join([*lines, "```"])


def _captions(captions: Sequence[CaptionSet]) -> list[str]:
    if not captions:
        return []
    rows = [
        (code(made.config), escape(made.captioner), split, f"{made.rows[split]:,}", code(path))
        for made in captions
        for split, path in made.files.items()
    ]
    columns = [(code(name), COLUMNS.get(name, "")) for name in captions[0].schema.names]
    return [
        "## Captions",
        _table(("configuration", "captioner", "split", "rows", "file"), rows),
        _table(("column", "meaning"), columns),
    ]


def _table_1(manifest: dict[str, Any]) -> str:
    rows = [
        (
            escape(r.degradation),
            r.source,
            f"{r.train:,}",
            f"{r.train_expected:,}",
            f"{r.test:,}",
            f"{r.test_expected:,}",
        )
        for r in compare(manifest["splits"])
    ]
    heads = ("degradation", "source in the paper", "train", "train in the paper", "test", "test in the paper")
    return _table(heads, rows, right=4)


def _by_source(manifest: dict[str, Any]) -> str:
    splits = manifest["splits"]
    found = {
        (name, word): None
        for split in splits.values()
        for name, counts in split["by_source"].items()
        for word in counts
    }
    rows = [
        (
            _title(name),
            escape(word),
            *(f"{split['by_source'].get(name, {}).get(word, 0):,}" for split in splits.values()),
        )
        for name, word in found
    ]
    return _table(("source", "degradation", *splits), rows, right=len(splits))


def _source(name: str) -> str:
    line = f"- **{_title(name)}** ({code(name)}): {_cited(name)}. Licence: {licence(name)}."
    if name not in SOURCES:
        return line
    card = SOURCES[name]
    if card.obtain:
        line += f" Obtained from {card.obtain}."
    digests = [f"`{file.name}` (SHA-256 `{file.sha256}`)" for file in card.files if file.sha256]
    return line + (f" Published archives: {', '.join(digests)}." if digests else "")


def _title(name: str) -> str:
    """Return how prose calls a source: our own words as they are, any other name escaped."""
    return title(name) if name in SOURCES else escape(name)


def _cited(name: str) -> str:
    return cite(name) if name in SOURCES else escape(name)


def _built(manifest: dict[str, Any]) -> str:
    tool, schema = (escape(str(manifest[name])) for name in ("tool", "schema"))
    text = f"By daclip-bench {tool}, schema {schema}:\n\n{block(command(manifest['recipe']), 'sh')}"
    recipe = recipe_file(manifest["recipe"])
    told = "The sources that were read, as a recipe file:"
    return text + (f"\n\n{told}\n\n{block(recipe, 'yaml')}" if recipe else "")


def _quarantine(left_out: Sequence[dict[str, str]]) -> list[str]:
    if not left_out:
        return []
    lines = [f"- {code(entry['key'])}: {escape(entry['reason'])}" for entry in left_out[:LISTED]]
    if len(left_out) > LISTED:
        reasons = Counter(entry["reason"] for entry in left_out[LISTED:]).most_common(5)
        told = "; ".join(f"{count:,} x {escape(reason)}" for reason, count in reasons)
        lines.append(f"- and {len(left_out) - LISTED:,} more, listed in `manifest.json` (most often: {told})")
    return ["## Left out", f"{len(left_out):,} files or pairs could not be used:", "\n".join(lines)]


def _issues(names: Sequence[str]) -> list[str]:
    found = known_issues(names)
    return ["## Known issues", "\n".join(f"- {text}" for text in found)] if found else []


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> str:
    """Return a Markdown table whose last `right` columns are aligned to the right."""
    rule = ["---"] * (len(heads) - right) + ["---:"] * right
    cells = [heads, rule, *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in row) + " |" for row in cells)
