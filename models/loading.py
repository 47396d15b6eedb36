"""From a weights file or a run to a restorer, with the DA-CLIP and the process that belong to the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.official import official_defaults
from models.daclip.build import load_daclip
from models.diffusion.sde import MeanRevertingSDE
from models.errors import UserError
from models.files import sha256_file
from models.networks import NETWORKS
from models.networks.build import build
from models.restorer import Restorer
from models.sampling import Sampling
from models.weights import load_into, load_state, read_metadata, weights_file


def load_restorer(
    network: str,
    weights: Path | None,
    *,
    daclip: Path | None = None,
    device: str | torch.device = "cpu",
    sampling: Sampling | None = None,
) -> Restorer:
    """Load a network, and the DA-CLIP that it was trained with, ready to restore.

    Arguments:
        network: A name of the catalogue.
        weights: A weights file, ours or a released one, or a run folder; None for a network without weights.
        daclip: DA-CLIP weights or run; None to use the one that the weights' metadata name, if it is unchanged.
        device: Where to put the modules.
        sampling: How a diffusion network is sampled; None for the published way.

    Returns:
        The restorer in evaluation mode.

    Raises:
        UserError: Something is missing, damaged, or does not belong together; the message says which file to give.
    """
    card = NETWORKS[network]
    if weights is None:
        module = build(network, {})
        if next(module.parameters(), None) is not None:
            raise UserError(f"network {network!r} needs weights: give a weights file or a run folder as --weights")
        return Restorer(name=network, network=module, sampling=sampling).eval().to(device)
    path = weights_file(weights)
    metadata = read_metadata(path)
    state = load_state(path)
    if card.sampler:
        metadata = _with_process(metadata, state)
    made_for = metadata.get("network", network)
    if made_for != network:
        raise UserError(f"{path} holds the network {made_for!r}, not {network!r}")
    arch = metadata["arch"] if "arch" in metadata else _infer_arch(network, state, path)
    module = build(network, arch)
    load_into(module, state, f"the weights {path}")
    listened = None
    if card.conditioning != "none":
        listened = load_daclip(_daclip_file(network, path, metadata, daclip))
    sde = None
    if card.sampler:
        sde, sampling = _process(metadata, sampling)
    restorer = Restorer(name=network, network=module, daclip=listened, sde=sde, sampling=sampling)
    return restorer.eval().to(device)


def process_of(weights: Path, sampling: Sampling | None = None) -> tuple[MeanRevertingSDE, Sampling]:
    """Return the process that a weights file or run of a diffusion network belongs to, and how it will be sampled.

    Arguments:
        weights: A weights file, ours or a released one, or a run folder.
        sampling: What was chosen; what it leaves open is filled from the file.
    """
    path = weights_file(weights)
    metadata = read_metadata(path)
    return _process(metadata if "sde" in metadata else _with_process(metadata, load_state(path)), sampling)


def _process(metadata: Mapping[str, Any], sampling: Sampling | None) -> tuple[MeanRevertingSDE, Sampling]:
    sde = MeanRevertingSDE(**metadata["sde"]) if "sde" in metadata else MeanRevertingSDE()
    return sde, (sampling or Sampling()).filled(sampler=metadata.get("sampler"))


def _with_process(metadata: dict[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    if "sde" in metadata:
        return metadata
    # Files of the authors hold tensors alone; the process that they were trained on is known from their keys.
    found = official_defaults(state) or {}
    return {**{key: value for key, value in found.items() if key != "arch"}, **metadata}


def _infer_arch(network: str, state: Mapping[str, Tensor], path: Path) -> dict[str, object]:
    infer = getattr(NETWORKS.load(network), "infer_arch", None)
    if infer is None:
        raise UserError(f"{path} does not say its architecture: only weights written by `bench train` can be used here")
    return infer(state)


def _daclip_file(network: str, path: Path, metadata: Mapping[str, Any], given: Path | None) -> Path:
    if given is not None:
        return weights_file(given)
    known = metadata.get("daclip")
    if not known:
        raise UserError(f"{path} does not say which DA-CLIP {network!r} was trained with: give it as --daclip")
    file = path.parent / known["file"]
    if not file.is_file():
        state = "is not there"
    elif sha256_file(file) != known["sha256"]:
        state = "has changed since"
    else:
        return file
    raise UserError(
        f"{network!r} was trained with the DA-CLIP {file}, which {state}: give the file with sha256 {known['sha256']} "
        "as --daclip"
    )
