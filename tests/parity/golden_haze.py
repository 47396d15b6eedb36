"""How to build and call our networks for haze, for the golden outputs of the published ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.networks.dehazeformer.network import DehazeFormer, DehazeFormerS, DehazeFormerT
from models.networks.gcanet.network import GCANet
from models.networks.griddehazenet.network import GridDehazeNet


def call_published(module: Any, case: dict[str, Any], inputs: dict[str, Any]) -> torch.Tensor:
    """Run the layers on the scale of the authors, which is that of the goldens."""
    (given,) = inputs.values()
    return module.published(torch.from_numpy(given))


BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "gcanet": GCANet,
    "griddehazenet": GridDehazeNet,
    "dehazeformer_t": DehazeFormerT,
    "dehazeformer_s": DehazeFormerS,
    "dehazeformer_b": DehazeFormer,
}

CALLS: dict[str, Callable[..., Any]] = dict.fromkeys(BUILDERS, call_published)

RENAMES: dict[str, Callable[[str], str]] = {}
