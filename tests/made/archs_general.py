"""Architectures small enough for tests: networks for several tasks."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {
    "maxim": {
        "width": 8,
        "depth": 2,
        "groups": 1,
        "bottlenecks": 1,
        "fine_block": 4,
        "coarse_block": 2,
        "fine_levels": 1,
    },
    "mprnet": {"width": 8, "growth": 4, "full_growth": 4, "blocks": 2},
    # The bottlenecks of its attention have an eighth of the channels: of one or two, all may be dead.
    "mirnet": {"width": 32, "groups": 1, "blocks": 1},
}
