"""Starting from weights that exist: all of them, or those that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.errors import UserError
from models.weights.fitting import load_into
from models.weights.opened import OpenedWeights, open_weights


def start_from(module: nn.Module, weights: Path | OpenedWeights, *, partial: bool) -> list[str]:
    """Put the tensors of a weights file into a module.

    Arguments:
        module: The network that will be trained.
        weights: A weights file, ours or a released one, or a run folder.
        partial: Whether tensors may be missing, left over, or of another shape; False refuses all of that.

    Returns:
        What did not match, as sentences; the first counts what did.

    Raises:
        UserError: Something does not match and `partial` is False, or nothing matches.
    """
    opened = open_weights(weights)
    file, state = opened.path, opened.state
    published: Any = getattr(type(module), "published_state", None)
    if published is not None:
        state = published(state)
    if not partial:
        try:
            load_into(module, state, f"the weights {file}")
        except UserError as error:
            raise UserError(f"{error}: add --partial to start from those that do") from None
        opened.require_unchanged()
        return [f"started from {file}: all {len(state)} tensors"]
    own = module.state_dict(keep_vars=True)
    taken = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    if not taken:
        raise UserError(
            f"none of the {len(state)} tensors of {file} fits a {type(module).__name__}: give other weights"
        )
    with torch.no_grad():
        for name, value in taken.items():
            own[name].copy_(value)
    opened.require_unchanged()
    reshaped = [
        f"{name} {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and name not in taken
    ]
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    lines = [f"started from {file}: {len(taken)} of the network's {len(own)} tensors"]
    for names, what in ((missing, "not in the file, so freshly initialised"), (unexpected, "of the file not used")):
        lines += [f"{len(names)} {what}: {', '.join(names)}"] if names else []
    lines += [f"{len(reshaped)} of another shape, so freshly initialised: {', '.join(reshaped)}"] if reshaped else []
    return lines
