"""Which networks of the catalogue a set of tensors fits, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from models.daclip.skeleton import skeleton
from models.errors import UserError
from models.networks import NETWORKS, NetworkCard
from models.weights.opened import OpenedWeights, open_weights

# Below this share of agreeing tensors, a network is not worth naming.
LIKELY = 0.5


@dataclass(frozen=True, kw_only=True)
class Match:
    """How well tensors fit a network.

    Arguments:
        network: Its name.
        arch: Its constructor arguments, read off the tensors.
        agreement: Share of all names, of the tensors and of the network, that both have with the same shape.
    """

    network: str
    arch: dict[str, Any]
    agreement: float


def adapted(network: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a network under our names, where its authors' file has others.

    Raises:
        UserError: They are not of this network.
    """
    adapt = getattr(NETWORKS.load(network), "published_state", None)
    return dict(state if adapt is None else adapt(state))


def match(network: str, state: Mapping[str, Tensor]) -> Match | None:
    """Say how well tensors fit a network; None when its architecture cannot be read off them."""
    infer = getattr(NETWORKS.load(network), "infer_arch", None)
    if infer is None:
        return None
    try:
        own = adapted(network, state)
        arch = dict(infer(own))
        expected = skeleton(network, arch, tensors=len(own)).state_dict()
    except (UserError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError):
        # Tensors of another network: whatever their reading stumbled over, this is not the one.
        return None
    same = sum(key in own and own[key].shape == value.shape for key, value in expected.items())
    return Match(network=network, arch=arch, agreement=same / max(1, len(own.keys() | expected.keys())))


def matches(state: Mapping[str, Tensor]) -> list[Match]:
    """Return the networks that restore in one pass and that tensors fit, best first, in the catalogue's order."""
    found = [match(name, state) for name, card in NETWORKS.items() if not card.sampler]
    likely = [one for one in found if one is not None and one.agreement >= LIKELY]
    return sorted(likely, key=lambda one: -one.agreement)


def owners(weights: Path | OpenedWeights) -> list[NetworkCard]:
    """Return the cards of the networks that released exactly this file."""
    opened = open_weights(weights)
    if opened.kind == "folder":
        return []
    size = opened.size
    # Only a file of the right length is worth the time that a digest takes.
    known = [(card, file) for card in NETWORKS.values() for file in card.files if file.sha256]
    if not any(file.size in (None, size) for _, file in known):
        return []
    digest = opened.digest
    return [card for card, file in known if file.sha256 == digest]


def doubt(weights: Path | OpenedWeights) -> str | None:
    """Return a sentence when a file has the length of a released one to the byte, and another digest; else None.

    Another training of the same network may write such a file; so does a disk or a download that damages one.
    """
    opened = open_weights(weights)
    if opened.kind == "folder" or opened.metadata or owners(opened):
        return None
    for card in NETWORKS.values():
        for file in card.files:
            if file.sha256 and file.size == opened.size:
                return (
                    f"{opened.path} is as long as {file.name}, released with {card.name!r}, but its sha256 is another: "
                    f"it is damaged, or another training (expected {file.sha256}, found {opened.digest})"
                )
    return None
