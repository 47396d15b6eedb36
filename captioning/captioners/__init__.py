"""The catalogue of captioners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
        opens: From what its class is made. "model": weights, device, precision and length, as
            `captioning.captioners.hub.HubCaptioner`; "plain": nothing; "texts": the captions that came with the
            sources, by digest of the clean image; "files": caption files, named as `csv:PATH`.
        revision: Commit of the weights on the hub, so that all users run the same ones.
    """

    name: str
    target: str
    title: str
    weights: str | None
    needs_pixels: bool
    licence: str
    opens: Literal["model", "plain", "texts", "files"] = "plain"
    revision: str | None = None


CAPTIONERS = Catalogue[CaptionerCard](
    "captioner",
    [
        CaptionerCard(
            name="blip-large",
            target="captioning.captioners.hub:HubCaptioner",
            title="BLIP large (the paper's)",
            weights="Salesforce/blip-image-captioning-large",
            needs_pixels=True,
            licence="BSD-3-Clause",
            opens="model",
            revision="2227ac38c9f16105cb0412e7cab4759978a8fd90",
        ),
        CaptionerCard(
            name="blip-base",
            target="captioning.captioners.hub:HubCaptioner",
            title="BLIP base",
            weights="Salesforce/blip-image-captioning-base",
            needs_pixels=True,
            licence="BSD-3-Clause",
            opens="model",
            revision="82a37760796d32b1411fe092ab5d4e227313294b",
        ),
        CaptionerCard(
            name="sidecar",
            target="captioning.captioners.sidecar:SidecarCaptioner",
            title="Captions that came with the sources",
            weights=None,
            needs_pixels=False,
            licence="that of the source",
            opens="texts",
        ),
        CaptionerCard(
            name="csv",
            target="captioning.captioners.csv:CsvCaptioner",
            title="The authors' caption files daclip_{train,val}.csv",
            weights=None,
            needs_pixels=False,
            licence="that of the captions",
            opens="files",
        ),
    ],
)
