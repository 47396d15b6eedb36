"""Reading the arguments of a DehazeFormer off the tensors of a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.errors import UserError

STAGES = 5


def read_arch(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the constructor arguments of `models.networks.dehazeformer.network.DehazeFormer` for a state dict.

    Raises:
        UserError: The keys are not those of a DehazeFormer.
    """
    if "patch_embed.proj.weight" not in state or "patch_unembed.proj.0.weight" not in state:
        raise UserError(
            "these are not the weights of a DehazeFormer: there is no 'patch_embed.proj.weight' or no "
            "'patch_unembed.proj.0.weight'"
        )
    depths, attention, heads, hidden = [], [], [], []
    window = 8
    for stage in range(1, STAGES + 1):
        of_stage = re.compile(rf"layer{stage}\.blocks\.(\d+)\.")
        blocks = {int(m[1]) for key in state if (m := of_stage.match(key))}
        last = f"layer{stage}.blocks.{max(blocks, default=0)}."
        attends = [i for i in blocks if f"layer{stage}.blocks.{i}.attn.QK.weight" in state]
        if f"{last}mlp.mlp.0.weight" not in state:
            raise UserError(f"these are not whole weights of a DehazeFormer: '{last}mlp.mlp.0.weight' is missing")
        inside, width = state[f"{last}mlp.mlp.0.weight"].shape[:2]
        depths.append(len(blocks))
        attention.append(len(attends))
        heads.append(int(state[f"{last}attn.attn.meta.2.bias"].shape[0]) if attends else 1)
        hidden.append(inside / width)
        if attends:
            window = round(len(state[f"{last}attn.attn.relative_positions"]) ** 0.5)
    merges = ("patch_merge1.proj.weight", "patch_merge2.proj.weight")
    widths = [len(state["patch_embed.proj.weight"]), *(len(state[key]) for key in merges)]
    return {
        "widths": widths,
        "depths": depths,
        "attention": attention,
        "heads": heads,
        "hidden": hidden,
        "window": window,
    }
