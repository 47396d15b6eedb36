"""How to build and call our networks for motion blur, for the golden outputs of the published ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.networks.deblurgan.network import DeblurGan
from models.networks.deblurganv2.network import DeblurGanV2Inception, DeblurGanV2MobileNet
from models.networks.deepdeblur.network import DeepDeblur
from models.networks.nafnet.local import NAFNetLocal

BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "deepdeblur": DeepDeblur,
    "deblurgan": DeblurGan,
    "deblurganv2_inception": DeblurGanV2Inception,
    "deblurganv2_mobilenet": DeblurGanV2MobileNet,
    "nafnet_local_w32_default": lambda: NAFNetLocal(width=32),
    "nafnet_local_w32_train64": lambda: NAFNetLocal(width=32, train_size=64),
}


def call_published(module: Any, case: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """Call a network on the scale of its authors."""
    return module.published(*(torch.from_numpy(array) for array in inputs.values()))


def call_pyramid(module: DeepDeblur, case: dict[str, Any], inputs: dict[str, Any]) -> list[torch.Tensor]:
    """Restore a pyramid, finest first."""
    return module.published([torch.from_numpy(array) for array in inputs.values()])


CALLS: dict[str, Callable[..., Any]] = {
    "deepdeblur": call_pyramid,
    "deblurgan": call_published,
    "deblurganv2_inception": call_published,
    "deblurganv2_mobilenet": call_published,
}

RENAMES: dict[str, Callable[[str], str]] = {}
