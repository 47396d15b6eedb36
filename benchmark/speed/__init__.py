"""Measurements of speed on this machine, most as ratios between two ways of doing the same work in one run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

MEASUREMENTS = {
    "build": "benchmark.speed.build:build_speed",
    "caption": "benchmark.speed.caption:caption_speed",
    "eval": "benchmark.speed.evaluate:evaluate_speed",
    "networks": "benchmark.speed.networks:networks_speed",
    "restore": "benchmark.speed.restore:restore_speed",
    "train": "benchmark.speed.train:train_speed",
}
"""What can be measured: its name and the function that returns the measurement as a JSON value with a `summary`."""


def measurement(name: str) -> Callable[[], dict[str, Any]]:
    """Import and return the function that measures `name`."""
    module, attribute = MEASUREMENTS[name].split(":")
    return getattr(importlib.import_module(module), attribute)
