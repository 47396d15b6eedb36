"""Which CLIP: an open_clip model name or an inline configuration, checked key by key."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.errors import UserError, close_match

KEYS = ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu")
HEAD_WIDTH = 64
SIZES = {"width", "layers", "patch_size", "vocab_size", "context_length"}


def resolve(clip: str | Mapping[str, object]) -> dict[str, Any]:
    """Return the full configuration of a CLIP.

    Arguments:
        clip: A model name that open_clip knows (`"ViT-B-32"`), or `{embed_dim, vision_cfg, text_cfg}`.

    Returns:
        A configuration that `open_clip.CLIP(**config)` accepts.

    Raises:
        UserError: The name or a key is unknown, or the towers are not plain transformers.
    """
    # Imported where it is needed: it takes 250 MB and seconds, and most networks need no CLIP.
    import open_clip

    config: dict[str, Any] | None
    if isinstance(clip, str):
        config = open_clip.get_model_config(clip) if ":" not in clip else None
        if config is None:
            hint = close_match(clip, open_clip.list_models())
            raise UserError(f"open_clip knows no model called {clip!r}{hint}; its names look like ViT-B-32 or ViT-L-14")
        name = f"the CLIP {clip!r}"
    else:
        config, name = copy.deepcopy(dict(clip)), "the CLIP configuration"
    config.pop("custom_text", None)
    _check(config, KEYS, name)
    missing = [key for key in KEYS[:3] if key not in config]
    if missing:
        raise UserError(f"{name} lacks {', '.join(missing)}")
    for key, cls in (("vision_cfg", open_clip.CLIPVisionCfg), ("text_cfg", open_clip.CLIPTextCfg)):
        if not isinstance(config[key], Mapping):
            raise UserError(f"{key} of {name} must be a mapping, not {config[key]!r}")
        config[key] = dict(config[key])
        _check(config[key], [field.name for field in dataclasses.fields(cls)], f"{key} of {name}")
    vision, text = config["vision_cfg"], config["text_cfg"]
    if vision.get("timm_model_name") or not isinstance(vision.get("layers", 12), int) or text.get("hf_model_name"):
        raise UserError(f"{name} is not made of plain transformers: choose one like ViT-B-32 or ViT-L-14")
    return config


def _check(config: Mapping[str, object], known: list[str] | tuple[str, ...], name: str) -> None:
    for key in config:
        if key not in known:
            raise UserError(f"{name} has an unknown key {key!r}{close_match(key, known)}")


def infer(state: Mapping[str, Tensor]) -> dict[str, object]:
    """Read the configuration off a DA-CLIP state dict, e.g. that of the authors' checkpoints.

    Shapes do not tell the heads: they are those of the CLIP in open_clip's list that has these shapes, else 64 wide.
    The activation is taken to be the exact GELU, as in ViT-B-32 and ViT-L-14.

    Raises:
        UserError: The keys are not those of a DA-CLIP, or its heads cannot be told.
    """
    needed = ("clip.visual.conv1.weight", "visual_control.conv1.weight", "clip.token_embedding.weight")
    for key in needed:
        if key not in state:
            raise UserError(f"these are not the weights of a DA-CLIP: there is no {key!r}")
    width, _, patch, _ = state["clip.visual.conv1.weight"].shape
    grid = round((state["clip.visual.positional_embedding"].shape[0] - 1) ** 0.5)
    vocabulary, text_width = state["clip.token_embedding.weight"].shape
    config: dict[str, Any] = {
        "embed_dim": state["clip.visual.proj"].shape[1],
        "vision_cfg": {
            "image_size": grid * patch,
            "layers": _depth(state, "clip.visual.transformer.resblocks."),
            "width": width,
            "patch_size": patch,
        },
        "text_cfg": {
            "context_length": state["clip.positional_embedding"].shape[0],
            "vocab_size": vocabulary,
            "width": text_width,
            "layers": _depth(state, "clip.transformer.resblocks."),
        },
    }
    vision, text = config["vision_cfg"], config["text_cfg"]
    vision["head_width"], text["heads"] = _heads(config)
    return config


def _heads(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width of the image tower's heads and the number of the text tower's."""
    import open_clip

    vision, text = config["vision_cfg"], config["text_cfg"]
    for name in open_clip.list_models():
        known = open_clip.get_model_config(name) or {}
        towers = known.get("vision_cfg", {}), known.get("text_cfg", {})
        sizes = [
            (of, key, own[key]) for own, of in zip((vision, text), towers, strict=True) for key in SIZES & own.keys()
        ]
        if known.get("embed_dim") == config["embed_dim"] and all(of.get(key) == value for of, key, value in sizes):
            return towers[0].get("head_width", HEAD_WIDTH), towers[1].get("heads", text["width"] // HEAD_WIDTH)
    widths = (vision["width"], text["width"])
    if any(width % HEAD_WIDTH for width in widths):
        raise UserError(
            f"these weights do not tell how many heads their towers of width {widths[0]} and {widths[1]} have: use the "
            "file that bench train wrote"
        )
    return HEAD_WIDTH, text["width"] // HEAD_WIDTH


def _depth(state: Mapping[str, Tensor], prefix: str) -> int:
    return 1 + max((int(key[len(prefix) :].split(".")[0]) for key in state if key.startswith(prefix)), default=-1)
