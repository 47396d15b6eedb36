"""Tensors into a module: every name and every shape agrees, or the difference is told."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from models.errors import UserError


def aliases(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return, for every name that is a second name of a tensor, the first name of the same tensor."""
    first: dict[object, str] = {}
    aliases = {}
    for key, value in state.items():
        # Tensors without data have no address; of those only one and the same object counts.
        place = id(value) if value.is_meta else (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        if value.numel() and first.setdefault(place, key) != key:
            aliases[key] = first[place]
    return aliases


def load_into(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load tensors into a module; every name and every shape must agree.

    Arguments:
        module: Receives the values.
        state: Tensors by name; of a tensor with several names one is enough.
        name: What the tensors are, for the error message.

    Raises:
        UserError: Names are missing or left over, or shapes differ.
    """
    module.load_state_dict(fitted(module, state, name), strict=True)


def fitted(module: nn.Module, state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors under all names that a module has for them, in its order, once they have been seen to fit.

    Arguments:
        module: What they are meant for; it may be on the device "meta".
        state: Tensors by name; of a tensor with several names one is enough.
        name: What the tensors are, for the error message.

    Raises:
        UserError: Names are missing or left over, or shapes differ.
    """
    own = module.state_dict(keep_vars=True)
    full = dict(state)
    for key, first in aliases(own).items():
        if key not in full and first in full:
            full[key] = full[first]
        elif first not in full and key in full:
            full[first] = full[key]
    found = {
        "missing": [key for key in own if key not in full],
        "unexpected": [key for key in full if key not in own],
        "of another shape": [
            f"{key} {tuple(full[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in full and full[key].shape != own[key].shape
        ],
    }
    wrong = [f"{len(k)} {what} ({', '.join(k[:3])}{', ...' if len(k) > 3 else ''})" for what, k in found.items() if k]
    if wrong:
        raise UserError(f"{name} do not fit {type(module).__name__}: {'; '.join(wrong)}")
    return {key: full[key] for key in own}
