"""From a weights file or a run to a restorer, with the DA-CLIP and the process that belong to the weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.daclip.skeleton import skeleton
from models.diffusion.sde import MeanRevertingSDE
from models.diffusion.settings import Sampling
from models.errors import UserError
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.find import SPANDREL, find_network, is_foreign
from models.releases.matching import adapted, matches, owners
from models.releases.official import official_defaults
from models.releases.recognise import recognise
from models.weights.daclip import recorded_daclip
from models.weights.fitting import fitted, load_into
from models.weights.opened import OpenedWeights, open_weights


def load_restorer(
    network: str,
    weights: Path | OpenedWeights | None,
    *,
    daclip: Path | OpenedWeights | None = None,
    device: str | torch.device = "cpu",
    sampling: Sampling | None = None,
) -> Restorer:
    """Load a network, and the DA-CLIP that it was trained with, ready to restore.

    Arguments:
        network: A name of the catalogue, `package.module:factory`, or "spandrel". Never pass on a name out of a file:
            code from outside is for the one to name who runs it.
        weights: A weights file, ours or a released one, or a run folder; the folder of a release that keeps its network
            in several files; None for a network without weights, or one from outside that brings its own.
        daclip: DA-CLIP weights or run; None to use the one that the weights' metadata name, if it is unchanged.
        device: Where to put the modules.
        sampling: How a diffusion network is sampled; None for the published way.

    Returns:
        The restorer in evaluation mode; its `weights_sha256` and `daclip_sha256` are of the bytes that were loaded.

    Raises:
        UserError: Something is missing, damaged, or does not belong together; the message says which file to give.
    """
    card = find_network(network)
    opened = open_weights(weights) if weights is not None else None
    if is_foreign(network):
        restorer = Restorer(name=network, network=_foreign(network, opened), sampling=sampling)
        return _told(restorer, opened).eval().to(device)
    if opened is None:
        module = build(network, {})
        if next(module.parameters(), None) is not None:
            raise UserError(f"network {network!r} needs weights: give a weights file or a run folder as --weights")
        return Restorer(name=network, network=module, sampling=sampling).eval().to(device)
    path, metadata = opened.path, opened.metadata
    state = opened.checkpoint(card.nesting).state
    if card.sampler:
        metadata = _with_process(metadata, state)
    made_for = metadata.get("network", network)
    if made_for != network:
        advice = f": use --network {made_for}" if made_for in NETWORKS else ""
        raise UserError(f"{path} holds the network {made_for!r}, not {network!r}{advice}")
    module = _filled(network, state, opened, metadata.get("arch"))
    conditioner = None
    if card.conditioning != "none":
        from models.daclip.build import load_daclip  # its CLIP takes 250 MB and seconds

        given = open_weights(daclip) if daclip is not None else recorded_daclip(network, path, metadata)
        conditioner = load_daclip(given)
    sde = None
    if card.sampler:
        sde, sampling = _process(metadata, sampling)
    restorer = Restorer(name=network, network=module, daclip=conditioner, sde=sde, sampling=sampling)
    return _told(restorer, opened).eval().to(device)


def _told(restorer: Restorer, opened: OpenedWeights | None) -> Restorer:
    """Let a restorer say which weights it has, once their numbers are in its modules."""
    if opened is not None:
        restorer.weights_sha256 = opened.digest
        # The tensors were mapped from the file until they were copied.
        opened.require_unchanged()
        opened.forget()
    return restorer


def network_of(weights: Path | OpenedWeights) -> str:
    """Return the name of the network of the catalogue that weights belong to, by metadata, digest or keys.

    Arguments:
        weights: A weights file, ours or a released one, a run folder, or a release in several files.

    Raises:
        UserError: None is known that they fit, several are, or they name one that is not in the catalogue.
    """
    opened = open_weights(weights)
    path, told = opened.path, opened.metadata.get("network")
    if told is None:
        state, owner = opened.state, owners(opened)
        fits = cache(lambda: matches(state))
        found = recognise(state, released=owner[0].name if owner else None, fits=fits)
        if found is None:
            raise UserError(f"{path} does not tell its network: name it by --network (see bench list networks)")
        told = found.network
        if not owner and told != "daclip":
            rivals = [one.network for one in fits() if one.agreement == 1 and not NETWORKS[one.network].same_weights_as]
            if len(rivals) > 1:
                raise UserError(f"{path} fits several networks ({', '.join(rivals)}): choose one by --network")
    if told == "daclip":
        raise UserError(f"{path} holds a DA-CLIP, which restores nothing by itself: give the weights of a network")
    return NETWORKS[told].name


def process_of(weights: Path | OpenedWeights, sampling: Sampling | None = None) -> tuple[MeanRevertingSDE, Sampling]:
    """Return the process that a weights file or run of a diffusion network belongs to, and how it will be sampled.

    Arguments:
        weights: A weights file, ours or a released one, or a run folder.
        sampling: What was chosen; what it leaves open is filled from the file.
    """
    opened = open_weights(weights)
    metadata = opened.metadata
    return _process(metadata if "sde" in metadata else _with_process(metadata, opened.state), sampling)


def _foreign(network: str, opened: OpenedWeights | None) -> nn.Module:
    from models.networks.foreign import build_foreign, load_spandrel

    if network == SPANDREL and opened is not None:
        return load_spandrel(opened.state, opened.path)
    module = build_foreign(network)
    if opened is not None:
        load_into(module, opened.state, f"the weights {opened.path}")
    return module


def _filled(
    network: str, state: Mapping[str, Tensor], opened: OpenedWeights, arch: Mapping[str, Any] | None
) -> nn.Module:
    """Build a network of the catalogue and load its weights; what does not fit is told with what it may be."""
    names, path = [owner.name for owner in owners(opened)], opened.path
    if names and network not in names:
        raise UserError(
            f"{path} is the file that was released with {names[0]!r}, byte for byte, not with {network!r}: "
            f"use --network {names[0]}"
        )
    try:
        own = adapted(network, state)
        arch = arch if arch is not None else _infer_arch(network, own, path)
        # Without memory first: what a file says of its architecture may be anything.
        fitted(skeleton(network, arch, tensors=len(own)), own, f"the weights {path}")
        module = build(network, arch)
        load_into(module, own, f"the weights {path}")
    except UserError as error:
        raise UserError(f"{error}{_likelier(network, state)}") from None
    return module


def _likelier(network: str, state: Mapping[str, Tensor]) -> str:
    """Return what to say about tensors that do not fit a network but another one."""
    found = recognise(state)
    if found is None or found.network == network:
        return ""
    if found.task == "daclip":
        return "; these are the weights of a DA-CLIP: give them as --daclip"
    agreement = next((one.agreement for one in matches(state) if one.network == found.network), 1.0)
    if agreement == 1:
        return f"; these are the weights of {found.network!r}: use --network {found.network}"
    return f"; they come closest to {found.network!r}, with which {100 * agreement:.0f} % of the tensors agree"


def _infer_arch(network: str, state: Mapping[str, Tensor], path: Path) -> dict[str, object]:
    infer = getattr(NETWORKS.load(network), "infer_arch", None)
    if infer is None:
        raise UserError(f"{path} does not say its architecture: only weights written by `bench train` can be used here")
    try:
        return infer(state)
    except (LookupError, ValueError, TypeError) as error:
        raise UserError(f"{path} holds no weights of {network!r}: its names or shapes are others ({error!r})") from None


def _process(metadata: Mapping[str, Any], sampling: Sampling | None) -> tuple[MeanRevertingSDE, Sampling]:
    sde = MeanRevertingSDE(**metadata["sde"]) if "sde" in metadata else MeanRevertingSDE()
    return sde, (sampling or Sampling()).filled(sampler=metadata.get("sampler"))


def _with_process(metadata: dict[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    if "sde" in metadata:
        return metadata
    # Files of the authors hold tensors alone; the process that they were trained on is known from their keys.
    found = official_defaults(state) or {}
    return {**{key: value for key, value in found.items() if key != "arch"}, **metadata}
