"""How to build and call our networks for the golden outputs of the published ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.daclip.build import build_daclip
from models.daclip.controller import DaClip
from models.daclip.tokenise import tokenise
from models.networks.nafnet import NAFNet

SMALL = {"encoder_blocks": (1, 1, 1, 28), "middle_blocks": 1, "decoder_blocks": (1, 1, 1, 1)}
LARGE = {"encoder_blocks": (2, 2, 4, 8), "middle_blocks": 12, "decoder_blocks": (2, 2, 2, 2)}

BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "nafnet_w32_1_1_1_28": lambda: NAFNet(width=32, **SMALL),
    "nafnet_w32_2_2_4_8": lambda: NAFNet(width=32, **LARGE),
    "nafnet_w64_1_1_1_28": lambda: NAFNet(width=64, **SMALL),
    "nafnet_w64_2_2_4_8": lambda: NAFNet(width=64, **LARGE),
    "daclip_vit_b_32": lambda: build_daclip(clip="ViT-B-32", pretrained=None),
    "daclip_vit_l_14": lambda: build_daclip(clip="ViT-L-14", pretrained=None),
    "daclip_tokenizer": torch.nn.Identity,
}


def call_daclip(module: DaClip, case: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """Call the method that a case names; the features of `forward` get the published names."""
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    if case.get("method", "forward") != "forward":
        return getattr(module, case["method"])(*tensors, **case.get("kwargs", {}))
    features = module(*tensors)
    return {
        "image_features": features.content,
        "image_degra_features": features.degradation,
        "text_features": features.caption,
        "text_degra_features": features.degradation_text,
        "logit_scale": features.logit_scale,
    }


def call_tokenizer(module: torch.nn.Module, case: dict[str, Any], inputs: dict[str, Any]) -> torch.Tensor:
    """Tokenise the texts of a case."""
    return tokenise(case["kwargs"]["texts"], context_length=case["kwargs"]["context_length"])


CALLS: dict[str, Callable[..., Any]] = {
    "daclip_vit_b_32": call_daclip,
    "daclip_vit_l_14": call_daclip,
    "daclip_tokenizer": call_tokenizer,
}

RENAMES: dict[str, Callable[[str], str]] = {}
