"""What a checkpoint holds once its outer keys and prefixes are taken off."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models.errors import UserError

# Where training programs keep the weights beside other things; averaged ones first.
NESTING = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net", "network", "G", "generator")
PREFIX = "module."


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file holds.

    Arguments:
        state: Tensors by name, without `module.` in front, on the CPU; mapped from the file, not read.
        nesting: The key under which they lay (several joined by dots), or None when they were the whole file.
        prefixed: Whether their names began with `module.`.
        facts: Numbers and words beside them (`epoch`, `name`, `iter`, options as `opts.ratio`, ...).
        left: What else lay beside them, by key: the bytes of the tensors in it.
    """

    state: dict[str, Tensor]
    nesting: str | None
    prefixed: bool
    facts: dict[str, int | float | str]
    left: dict[str, int]


def unpack(content: Any, path: Path, *, nesting: Sequence[str] = ()) -> Checkpoint:
    """Find the tensors in what was read from a file.

    Keys around them are taken off; several networks kept side by side keep theirs as the first part of the names.

    Arguments:
        content: What was read.
        path: Where from, for messages.
        nesting: Keys to try before the usual ones.

    Raises:
        UserError: There are no tensors, or other things among them.
    """
    taken: list[str] = []
    beside: dict[str, Any] = {}
    keys = (*nesting, *NESTING)
    while key := _outer(content, keys):
        beside |= {str(name): value for name, value in content.items() if name != key}
        content = content[key]
        taken.append(key)
    if not isinstance(content, Mapping) or not content or not (content := flatten(content)):
        raise UserError(f"{path} holds no state dict")
    if any(not key.isprintable() for key in content):
        raise UserError(f"{path} holds tensors whose names are no text: it is damaged, or no weights")
    others = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        names = ", ".join(key[:80] for key in others[:3])
        raise UserError(f"{path} holds more than tensors ({names}) and none of {', '.join(NESTING)}")
    # The authors' loader looks at the first name alone.
    prefixed = next(iter(content)).startswith(PREFIX)
    facts = {key: value for name, found in beside.items() for key, value in _facts(name, found)}
    return Checkpoint(
        state={key.removeprefix(PREFIX) if prefixed else key: value for key, value in content.items()},
        nesting=".".join(taken) or None,
        prefixed=prefixed,
        facts=facts,
        left={key: tensor_bytes(value) for key, value in beside.items() if not _facts(key, value)},
    )


def flatten(content: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Join the keys of nested dictionaries with dots, in their order; empty dictionaries vanish."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def tensor_bytes(value: Any) -> int:
    """Return the bytes of all tensors inside nested dictionaries and lists; a tensor with two names counts twice."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(tensor_bytes(part) for part in value.values())
    return sum(tensor_bytes(part) for part in value) if isinstance(value, list | tuple) else 0


def _outer(content: Any, keys: Sequence[str]) -> str | None:
    """Return the key that the weights lie under, or None when `content` is all there is."""
    if not isinstance(content, Mapping):
        return None
    return next((key for key in keys if isinstance(content.get(key), Mapping) and content[key]), None)


def _facts(name: str, value: Any) -> list[tuple[str, int | float | str]]:
    """Return the numbers and words of what lies beside the weights, options one by one."""
    if isinstance(value, argparse.Namespace):
        return [pair for key, option in vars(value).items() for pair in _facts(f"{name}.{key}", option)]
    if not isinstance(value, int | float | str | np.generic):
        return []
    value = value.item() if isinstance(value, np.generic) else value
    # JSON knows neither NaN nor infinity, nor what else a numpy scalar may hold.
    plain = isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))
    return [(name, value if plain else str(value))]
