"""The catalogue of layouts in which a dataset can be written for other programs."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalogue import Catalogue


@dataclass(frozen=True)
class LayoutCard:
    """What a layout declares about itself.

    Arguments:
        name: Name on the command line.
        target: "module:function"; see `benchmark.export.run.Planner`.
        title: Name in prose.
        summary: What is written.
        needs_captions: Whether a dataset without captions is refused.
    """

    name: str
    target: str
    title: str
    summary: str
    needs_captions: bool


LAYOUTS = Catalogue[LayoutCard](
    "layout",
    [
        LayoutCard(
            name="universal",
            target="benchmark.export.universal:plan",
            title="The authors' folders",
            summary="<train|val>/<type>/{LQ,GT}/* as the official code reads them, with daclip_{train,val}.csv",
            needs_captions=False,
        ),
        LayoutCard(
            name="daclip-csv",
            target="benchmark.export.daclip_csv:plan",
            title="The authors' caption files",
            summary="daclip_{train,val}.csv alone, with paths below --dataroot",
            needs_captions=True,
        ),
        LayoutCard(
            name="webdataset",
            target="benchmark.export.webdataset:plan",
            title="WebDataset shards",
            summary="tar files of degraded images and texts for open_clip's trainer",
            needs_captions=True,
        ),
    ],
)
