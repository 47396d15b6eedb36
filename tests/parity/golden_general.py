"""How to build and call our networks for several tasks, for the golden outputs of the published ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {}

CALLS: dict[str, Callable[..., Any]] = {}

RENAMES: dict[str, Callable[[str], str]] = {}
