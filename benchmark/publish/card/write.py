"""What a dataset folder says about itself: card, terms and Croissant description, from manifest and captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.dataset.manifest import read_manifest
from benchmark.publish.card.captions import caption_sets
from benchmark.publish.card.card import render_card
from benchmark.publish.card.croissant import describe
from benchmark.publish.card.terms import render_terms
from benchmark.publish.hub.files import CARD, CROISSANT, TERMS
from models.files import write_json, write_text


def write_card(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `README.md`, `LICENSE.md` and `croissant.json` of a dataset folder whose shards are all there.

    They are generated: the same manifest and captions give the same bytes, and hand-made changes are lost.

    Arguments:
        folder: The dataset folder.
        manifest: Its manifest, which need not be written yet.
    """
    captions = caption_sets(folder)
    write_text(folder / TERMS, render_terms(manifest))
    write_json(folder / CROISSANT, describe(manifest, folder, captions))
    write_text(folder / CARD, render_card(manifest, folder, captions))


def refresh(folder: Path) -> None:
    """Write the card and its companions of a finished dataset anew, after captions were made or removed.

    Neither the manifest nor a digest in it depends on them.
    """
    write_card(folder, read_manifest(folder))
