"""The dataset card: a README.md that the Hugging Face hub and `datasets.load_dataset` understand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from benchmark.counts import compare
from benchmark.sources import SOURCES
from models.files import write_text


def write_card(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `README.md` of a dataset folder from its manifest."""
    write_text(folder / "README.md", render_card(manifest))


def render_card(manifest: dict[str, Any]) -> str:
    """Return the card: a YAML header that names the files of each split, counts, licences and citations.

    Captions are a second configuration, so the header need not change when they are added.
    """
    splits = list(manifest["splits"])
    header = {
        "pretty_name": "Mixed degradations for universal image restoration",
        "task_categories": ["image-to-image"],
        "tags": ["image-restoration", "degradation", "daclip"],
        "configs": [
            {
                "config_name": "default",
                "default": True,
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits],
            },
        ],
    }
    sources = list(dict.fromkeys(name for split in manifest["splits"].values() for name in split["sources"]))
    lines = [
        "---",
        yaml.safe_dump(header, sort_keys=False).rstrip(),
        "---",
        "",
        "# Mixed degradations for universal image restoration",
        "",
        "One row a pair: `key`, `degradation`, `source`, `split`, `degraded`, `clean`, `width`, `height`, `spec`, "
        "`seed`, `clean_sha256`, `degraded_sha256`. `spec` and `seed` are null for pairs that a source distributes; "
        "otherwise they and `key` determine every pixel of the degraded image. Captions, once made, lie in "
        "`captions/<split>.parquet` and join by `key`.",
        "",
        "## Counts against Table 1 of the paper",
        "",
        "| degradation | source in the paper | train | train in the paper | test | test in the paper |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {r.degradation} | {r.source} | {r.train:,} | {r.train_expected:,} | {r.test:,} | {r.test_expected:,} |"
        for r in compare(manifest["splits"])
    ]
    lines += ["", "## Sources", ""]
    for name in sources:
        card = SOURCES[name]
        lines.append(f"- **{card.title}** (`{name}`): {card.citation}. Licence: {card.licence}.")
    if "demo" in sources:
        lines += ["", "## Photos of the embedded source", "", *_photo_list()]
    if manifest["quarantine"]:
        lines += ["", "## Left out", "", *(f"- `{q['key']}`: {q['reason']}" for q in manifest["quarantine"])]
    return "\n".join(lines) + "\n"


def _photo_list() -> list[str]:
    from benchmark.sources.photos import PHOTOS

    rows = ["| photo | split | licence | credit |", "| --- | --- | --- | --- |"]
    return rows + [f"| {p.name} | {p.split} | {p.licence} | {p.credit} |" for p in PHOTOS]
