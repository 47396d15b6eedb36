"""The catalogue of captioners."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalogue import Catalogue


@dataclass(frozen=True)
class CaptionerCard:
    """What a captioner declares about itself.

    Arguments:
        name: Name on the command line.
        target: "module:class"; see `captioning.captioners.contract.Captioner`.
        title: Name in prose.
        weights: Name of the weights on the Hugging Face hub, or None when no model runs.
        needs_pixels: Whether it looks at the image at all.
        licence: Licence of the weights.
    """

    name: str
    target: str
    title: str
    weights: str | None
    needs_pixels: bool
    licence: str


CAPTIONERS = Catalogue[CaptionerCard](
    "captioner",
    [
        CaptionerCard(
            name="blip-large",
            target="captioning.captioners.blip:BlipCaptioner",
            title="BLIP large (the paper's)",
            weights="Salesforce/blip-image-captioning-large",
            needs_pixels=True,
            licence="BSD-3-Clause",
        ),
        CaptionerCard(
            name="blip-base",
            target="captioning.captioners.blip:BlipCaptioner",
            title="BLIP base",
            weights="Salesforce/blip-image-captioning-base",
            needs_pixels=True,
            licence="BSD-3-Clause",
        ),
        CaptionerCard(
            name="sidecar",
            target="captioning.captioners.sidecar:SidecarCaptioner",
            title="Captions that came with the sources",
            weights=None,
            needs_pixels=False,
            licence="that of the source",
        ),
    ],
)
