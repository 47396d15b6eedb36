"""How to build and call our networks for several tasks, for the golden outputs of the published ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.networks.maxim.names import published_name
from models.networks.maxim.network import MAXIM
from models.networks.mirnet.network import MIRNet
from models.networks.mprnet.network import MPRNet

BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "maxim_s2": MAXIM,
    "maxim_s3": lambda: MAXIM(stages=3),
    "mirnet": MIRNet,
    "mprnet": MPRNet,
}


def call_maxim(module: MAXIM, case: dict[str, Any], inputs: dict[str, Any]) -> list[torch.Tensor]:
    """Return the result and then all others, stage by stage; the published arrays are NHWC."""
    (x,) = inputs.values()
    *others, last = module.predictions(torch.from_numpy(x).permute(0, 3, 1, 2))
    return [image.permute(0, 2, 3, 1) for image in (last, *others)]


def call_mprnet(module: MPRNet, case: dict[str, Any], inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Return the result and then the earlier stages, the last one first, as published."""
    (x,) = inputs.values()
    return module.predictions(torch.from_numpy(x))[::-1]


CALLS: dict[str, Callable[..., Any]] = {"maxim_s2": call_maxim, "maxim_s3": call_maxim, "mprnet": call_mprnet}

RENAMES: dict[str, Callable[[str], str]] = {"maxim_s2": published_name, "maxim_s3": published_name}
