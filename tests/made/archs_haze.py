"""Architectures small enough for tests: networks for haze."""

from __future__ import annotations

DEHAZEFORMER: dict[str, object] = {
    "widths": (4, 8, 12),
    "depths": (1, 2, 3, 1, 1),
    "attention": (0, 1, 2, 0, 0),
    "heads": (1, 2, 3, 1, 1),
    "window": 4,
}
ARCHS: dict[str, dict[str, object]] = {
    "gcanet": {"width": 8},
    "griddehazenet": {"width": 4, "rows": 3, "columns": 4, "layers": 2, "growth": 4},
    "dehazeformer-t": DEHAZEFORMER,
    "dehazeformer-s": DEHAZEFORMER,
    "dehazeformer-b": DEHAZEFORMER,
}
