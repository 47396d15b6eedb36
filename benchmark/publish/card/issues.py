"""What is known to be wrong with, or shared between, the sources: told in the card of a dataset that holds them."""

from __future__ import annotations

from collections.abc import Iterable

ISSUES: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"cbsd68"}),
        "All 68 clean images of CBSD68 are in the val folder of BSDS500: do not test on CBSD68 what was trained on "
        "that folder.",
    ),
    (
        frozenset({"rain100h"}),
        "The clean images of Rain100H come from the train and val folders of BSDS500, and Rain100L has the same ones: "
        "a network trained on either of these has seen them.",
    ),
    (
        frozenset({"live1"}),
        "13 of the 29 clean images of LIVE1 are also in Kodak24.",
    ),
    (
        frozenset({"div2k", "flickr2k"}),
        "Each clean image of DIV2K and Flickr2K occurs twice, once with JPEG artefacts and once with noise; both "
        "degraded images are synthetic and can be made again from `spec`, `seed` and `key`.",
    ),
    (
        frozenset({"celebahq"}),
        "The masks that the authors used for training on CelebA-HQ are not published: those of the training split are "
        "drawn here.",
    ),
    (
        frozenset({"srd", "raindrop"}),
        "Degraded and clean images of SRD and RainDrop were taken one after the other, so a pair may be off by some "
        "pixels and differ in exposure.",
    ),
)
"""Sources, and what to know when a dataset holds one of them."""


def known_issues(names: Iterable[str]) -> list[str]:
    """Return what is to be known about the sources of a dataset."""
    held = set(names)
    return [text for sources, text in ISSUES if sources & held]
