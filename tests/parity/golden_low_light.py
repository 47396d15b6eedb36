"""How to build and call our networks for low light, for the golden outputs of the published ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.networks.enlightengan.network import EnlightenGAN
from models.networks.uretinex.network import URetinexNet

BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "enlightengan": EnlightenGAN,
    "uretinexnet": URetinexNet,
}


def call_enlightengan(module: EnlightenGAN, case: dict[str, Any], inputs: dict[str, Any]) -> list[torch.Tensor]:
    """Enhance the image with its attention map, first as the code runs today, then as it ran in training."""
    image, attention = (torch.from_numpy(array) for array in inputs.values())
    today = module.published(image, attention)
    module.align_corners = True
    trained = module.published(image, attention)
    module.align_corners = False
    return [*today, *trained]


def call_uretinex(module: URetinexNet, case: dict[str, Any], inputs: dict[str, Any]) -> list[torch.Tensor]:
    """Enhance the image, with all that is returned beside it."""
    return list(module.published(torch.from_numpy(inputs[case["name"]])))


CALLS: dict[str, Callable[..., Any]] = {
    "enlightengan": call_enlightengan,
    "uretinexnet": call_uretinex,
}

RENAMES: dict[str, Callable[[str], str]] = {}
