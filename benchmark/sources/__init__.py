"""The catalogue of sources: published sets of pairs or photos, one's own folders, and the embedded demo photos."""

from __future__ import annotations

from benchmark.sources import (
    cbsd68,
    celebahq,
    custom,
    demo,
    div2k,
    flickr2k,
    gopro,
    live1,
    lol,
    rain100h,
    raindrop,
    reside6k,
    snow100k,
    srd,
    universal,
)
from benchmark.sources.cards import SourceCard, SourceFile
from models.catalogue import Catalogue

SOURCES = Catalogue[SourceCard](
    "source",
    [
        demo.CARD,
        # In the order of Table 1: the training sets of a type before its test set.
        gopro.CARD,
        reside6k.CARD,
        div2k.CARD,
        flickr2k.CARD,
        live1.CARD,
        lol.CARD,
        cbsd68.CARD,
        raindrop.CARD,
        rain100h.CARD,
        srd.CARD,
        snow100k.CARD,
        celebahq.CARD,
        universal.CARD,
        custom.CARD,
    ],
)

__all__ = ["SOURCES", "SourceCard", "SourceFile"]
