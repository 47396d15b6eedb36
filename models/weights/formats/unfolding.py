"""How large data becomes when what lies in several places of it is looked at in each, as its readers do."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from models.weights.formats.doors import Damaged

DEEPEST = 64
"""How many containers may lie in one another."""

UNFOLDED = 5_000_000
"""How many values there may be when those that lie in several places are counted in each."""

ATOMS = (str, int, float, bool, bytes, type(None))


def check_unfolded(value: Any) -> None:
    """Refuse data that holds itself, is nested too deeply, or is short and unfolds to very much.

    Raises:
        Damaged: It is such data.
    """
    _unfold(value, {}, 0)


def _unfold(value: Any, known: dict[int, tuple[int, int] | None], depth: int) -> tuple[int, int]:
    """Return how many values one holds, and how deep they lie; each container is looked at once."""
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, argparse.Namespace):
        parts = vars(value).values()
    else:
        return 1, 0
    found = known.get(id(value), (0, 0))
    if found is None or depth > DEEPEST:
        raise Damaged("it holds itself" if found is None else "it is nested too deeply")
    if found == (0, 0):
        known[id(value)] = None
        inner = [_unfold(part, known, depth + 1) for part in parts if not isinstance(part, ATOMS)]
        found = 1 + len(parts) + sum(size for size, _ in inner), 1 + max((height for _, height in inner), default=0)
        if found[0] > UNFOLDED or found[1] > DEEPEST:
            raise Damaged("it unfolds to far more than it is")
        known[id(value)] = found
    return found
