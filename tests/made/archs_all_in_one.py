"""Architectures small enough for tests: networks for ten degradations at once."""

from __future__ import annotations

LEVELS: dict[str, object] = {"width": 8, "blocks": (1, 1, 1, 1), "refinement_blocks": 1, "heads": (1, 2, 2, 4)}
ARCHS: dict[str, dict[str, object]] = {
    "restormer": LEVELS,
    "promptir": {**LEVELS, "prompt_channels": (4, 6, 10), "prompt_sizes": (8, 6, 4), "prompt_count": 3},
    "airnet": {"width": 8, "groups": 1, "blocks": 2, "queue_batch": 2},
}
