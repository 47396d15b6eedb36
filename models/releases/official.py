"""The files that the authors released, and the settings that belong to them but are not written in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from models.networks import NETWORKS
from models.releases.recognise import Layout, recognise
from models.weights.opened import open_weights

STEPS = 100


@dataclass(frozen=True, kw_only=True)
class OfficialFile:
    """One released file.

    Arguments:
        name: Its name where it is offered.
        network: The network in it; "daclip" for a DA-CLIP.
        size: Its length in bytes, where known.
        sha256: Its digest, where known.
        daclip: The DA-CLIP file that the network was trained with.
    """

    name: str
    network: str
    size: int | None = None
    sha256: str | None = None
    daclip: str | None = None


OFFICIAL = (
    OfficialFile(
        name="daclip_ViT-B-32.pt",
        network="daclip",
        sha256="ea948854d4293f2d222ead043fd5b4090fba984c8e2db8656934d768dc4f8230",
    ),
    OfficialFile(name="daclip_ViT-B-32_mix.pt", network="daclip"),
    OfficialFile(
        name="wild-daclip_ViT-L-14.pt",
        network="daclip",
        size=5_661_040_338,
        sha256="35db86f3cf74a42360b7346a124d3484605d24bcbdc33057e74449eab65fe246",
    ),
    OfficialFile(
        name="universal-ir.pth",
        network="ir-sde-daclip",
        sha256="87575b2559ca122d27b56fe7f24fe63d8099795cdd5b16af2bab41ecc2bb02a8",
        daclip="daclip_ViT-B-32.pt",
    ),
    OfficialFile(name="universal-ir-mix.pth", network="ir-sde-daclip", daclip="daclip_ViT-B-32_mix.pt"),
    OfficialFile(
        name="wild-ir.pth",
        network="wild-ir",
        size=197_969_027,
        sha256="a8eea3b6945904de174123bc8220214990b67e85eac7214ad425f6b6ef46fdc5",
        daclip="wild-daclip_ViT-L-14.pt",
    ),
)
"""Offered at https://huggingface.co/weblzw/daclip-uir-ViT-B-32-irsde under the MIT licence."""


def by_digest(sha256: str) -> OfficialFile | None:
    """Return the released file with this digest, or None."""
    return next((file for file in OFFICIAL if file.sha256 == sha256), None)


def by_name(name: str) -> OfficialFile | None:
    """Return the released file called so, or None."""
    return next((file for file in OFFICIAL if file.name == name), None)


def official_defaults(source: Path | Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Return how a raw file of the authors is to be used; what is not in the file comes from their test options.

    Arguments:
        source: A checkpoint of the authors, or its state dict.

    Returns:
        None when the keys are not those of a network that we know. Otherwise metadata as `bench train` writes it:
        `task`, `network` and `arch` (constructor arguments, `{"clip": ...}` for a DA-CLIP); for networks that are
        sampled also `sde` (settings of the mean-reverting SDE), `sampler`, `nfe` and `daclip_name` (the released
        DA-CLIP that it was trained with, or None).

    Raises:
        UserError: The file is missing, damaged or asks for code to be run.
    """
    if isinstance(source, Path):
        opened = open_weights(source)
        layout, name = recognise(opened.state), opened.path.name
    else:
        layout, name = recognise(source), ""
    return None if layout is None else defaults_of(layout, name)


def defaults_of(layout: Layout, name: str) -> dict[str, Any]:
    """Return the settings for a recognised state dict; `name` is that of its file, for the DA-CLIP beside it."""
    found: dict[str, Any] = {"task": layout.task, "network": layout.network, "arch": layout.arch}
    if layout.task != "restoration" or not NETWORKS[layout.network].sampler:
        return found
    # The weights released with IR-SDE itself are wider; they start from less noise (10 of 255 in most of its tasks) and
    # are sampled by the plain reverse SDE.
    original = layout.network == "ir-sde" and layout.arch["multipliers"][0] == 2
    released = by_name(name)
    if released is None or released.network != layout.network:
        released = next((file for file in OFFICIAL if file.network == layout.network), None)
    found["sde"] = {
        "steps": STEPS,
        "max_sigma": 10.0 if original else 50.0,
        "schedule": "cosine",
        "eps": 0.005,
    }
    found["sampler"] = "sde" if original else "posterior"
    found["nfe"] = STEPS
    found["daclip_name"] = None if released is None else released.daclip
    return found
