"""Our weights to the authors' layout: names, order and duplicates as their strict loaders expect them."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.daclip.skeleton import skeleton
from models.errors import UserError
from models.files import atomic_path, sha256_file
from models.releases.recognise import recognise
from models.weights.fitting import fitted
from models.weights.opened import OpenedWeights, open_weights

SUFFIXES = (".pth", ".pt")


def export(source: Path | OpenedWeights, out: Path) -> OrderedDict[str, Tensor]:
    """Write weights as a torch checkpoint that the authors' code loads.

    A DA-CLIP and a U-Net become a flat state dict; in a DA-CLIP the frozen image tower appears under both of its names.
    NAFNet's authors expect theirs under "params".

    Arguments:
        source: Our weights file or run.
        out: The file to write, ending in .pth or .pt.

    Returns:
        The tensors as written.

    Raises:
        UserError: The suffix is another, `out` is there and is another file, the network is not known from the file, or
            the disk is full.
    """
    if out.suffix not in SUFFIXES:
        raise UserError(f"{out} must end in {' or '.join(SUFFIXES)}, as it becomes a torch checkpoint")
    if out.exists() and not out.is_file():
        raise UserError(f"{out} is there already and is no file: choose another name")
    opened = open_weights(source)
    path, state, metadata = opened.path, opened.state, opened.metadata
    if "arch" in metadata and "network" in metadata:
        network, arch = metadata["network"], metadata["arch"]
    else:
        layout = recognise(state)
        if layout is None:
            raise UserError(f"{path} does not say its architecture: only weights of a known network can be exported")
        network, arch = layout.network, layout.arch
    ordered = OrderedDict(fitted(skeleton(network, arch, tensors=len(state)), state, f"the weights {path}"))
    content: Any = {"params": ordered} if network == "nafnet" else ordered
    with atomic_path(out) as partial:
        try:
            # By handle: given a path, torch writes its name, here a temporary one, into the file.
            with open(partial, "wb") as handle:
                torch.save(content, handle)
        except (RuntimeError, OSError) as error:
            reason = str(error).split("\n")[0]
            raise UserError(f"{out} could not be written ({reason}): check the disk and run it again") from None
        opened.require_unchanged()
        # The same weights always become the same bytes, so that a rerun finds what it would write.
        if out.exists() and sha256_file(out) != sha256_file(partial):
            raise UserError(f"{out} is there already and is another file: delete it or choose another name")
    return ordered
