"""From a configuration and pretrained weights to a DA-CLIP, new or trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip

from models.daclip.config import infer, resolve
from models.daclip.controller import DaClip
from models.errors import UserError, close_match
from models.weights.fitting import fitted, load_into
from models.weights.opened import OpenedWeights, open_weights


def build_daclip(*, clip: str | Mapping[str, object], pretrained: str | None, official_init: bool = True) -> DaClip:
    """Put a new controller around a CLIP.

    Arguments:
        clip: A model name that open_clip knows, or an inline configuration `{embed_dim, vision_cfg, text_cfg}`.
        pretrained: A tag of open_clip (`"laion2b_s34b_b79k"`), the path of a CLIP weights file, or None for a CLIP at
            random initialisation.
        official_init: Whether a controller around pretrained weights starts exactly as the published one does, see
            `start_as_published`; False for zero layers that are all zero and a plain copy of CLIP.

    Returns:
        The module in training mode; only the controller and the logit scale are trainable.

    Raises:
        UserError: The name, a key or the tag is unknown, or the weights cannot be had or do not fit.
    """
    config = resolve(clip)
    if pretrained is None:
        return _module(config)
    tag = open_clip.get_pretrained_cfg(clip, pretrained) if isinstance(clip, str) else {}
    if tag:
        assert isinstance(clip, str)
        # Weights trained with the approximate activation give wrong embeddings with the exact one: the tag knows.
        config["quick_gelu"] = bool(tag.get("quick_gelu", config.get("quick_gelu", False)))
        path = _download(clip, pretrained, tag)
    else:
        path = Path(pretrained)
        if not path.is_file():
            tags = open_clip.list_pretrained_tags_by_model(clip) if isinstance(clip, str) else []
            known = f" (tags of {clip}: {', '.join(tags)})" if tags else ""
            hint = close_match(pretrained, tags) + known
            raise UserError(f"pretrained={pretrained!r} is neither a file nor a tag of this CLIP{hint}")
    model = open_clip.CLIP(**config)
    state = {k: v for k, v in open_weights(path).state.items() if not k.endswith("position_ids")}
    load_into(model, state, f"the CLIP weights {path}")
    daclip = DaClip(model, arch={"clip": config})
    if official_init:
        daclip.start_as_published()
    return daclip


def _module(config: dict[str, Any]) -> DaClip:
    return DaClip(open_clip.CLIP(**config), arch={"clip": config})


def _download(clip: str, tag: str, entry: Mapping[str, str]) -> Path:
    where = entry.get("hf_hub", "").rstrip("/") or entry.get("url", "")
    try:
        return Path(open_clip.download_pretrained(dict(entry)))
    except Exception as error:  # the hub client raises many kinds; all mean that the file is not here
        source = f"the Hugging Face repository {where}" if entry.get("hf_hub") else where
        raise UserError(
            f"the weights of {clip} / {tag} cannot be fetched ({type(error).__name__}): download "
            f"open_clip_model.safetensors from {source} and give its path as `pretrained`"
        ) from None


def load_daclip(weights: Path | OpenedWeights) -> DaClip:
    """Load a trained DA-CLIP.

    Arguments:
        weights: Our safetensors file or the run folder that holds it, or a checkpoint of the authors, whose
            architecture is read off the shapes.

    Returns:
        The module in evaluation mode; its `weights_sha256` is of the bytes that were loaded.

    Raises:
        UserError: The file is missing, damaged, or holds something else.
    """
    from models.daclip.skeleton import skeleton

    opened = open_weights(weights)
    path, metadata = opened.path, opened.metadata
    if metadata and metadata.get("task") != "daclip":
        raise UserError(f"{path} holds the network {metadata.get('network')!r}, not a DA-CLIP")
    state = opened.state
    arch = metadata.get("arch", {})
    clip = arch["clip"] if "clip" in arch else infer(state)
    # Without memory first: what a file says of its CLIP may be anything.
    fitted(skeleton("daclip", {"clip": clip}, tensors=len(state)), state, f"the DA-CLIP weights {path}")
    daclip = _module(resolve(clip))
    load_into(daclip, state, f"the DA-CLIP weights {path}")
    daclip.weights_sha256 = opened.digest
    opened.require_unchanged()
    opened.forget()
    return daclip.eval()
