"""How to build and call our networks for rain, for the golden outputs of the published ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.networks.jorder.extended import JORDERE
from models.networks.prenet.network import PReNet
from models.networks.prenet.variants import (
    PRN,
    PReNetGenerator,
    PReNetGru,
    PReNetLstm,
    PReNetPrevious,
    PReNetRecursive,
    PRNRecursive,
)

BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "prenet": PReNet,
    "prenet_r": PReNetRecursive,
    "prenet_x": PReNetPrevious,
    "prenet_lstm": PReNetLstm,
    "prenet_gru": PReNetGru,
    "prenet_generator": PReNetGenerator,
    "prn": PRN,
    "prn_r": PRNRecursive,
    "jorder_e": JORDERE,
    "jorder_e_practical": lambda: JORDERE(width=32, blocks=3),
}


def call_prenet(module: PReNet, case: dict[str, Any], inputs: dict[str, Any]) -> list[torch.Tensor]:
    """The result, and those of all stages one below the other."""
    degraded = torch.from_numpy(next(iter(inputs.values())))
    return [module(degraded), torch.cat(module.predictions(degraded))]


def call_jorder_e(module: JORDERE, case: dict[str, Any], inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Both results, the mask and the level, on [0, 255]."""
    return module.published(torch.from_numpy(next(iter(inputs.values()))))


CALLS: dict[str, Callable[..., Any]] = {
    name: call_jorder_e if name.startswith("jorder") else call_prenet for name in BUILDERS
}

RENAMES: dict[str, Callable[[str], str]] = {}
