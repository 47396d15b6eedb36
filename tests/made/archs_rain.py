"""Architectures small enough for tests: networks for rain."""

from __future__ import annotations

PRENET: dict[str, object] = {"width": 8, "stages": 3, "blocks": 2}
ARCHS: dict[str, dict[str, object]] = {
    "jorder": {"width": 8, "blocks": 2},
    "jorder-e": {"width": 8, "blocks": 2},
    "prenet": PRENET,
    "prenet-r": PRENET,
    "prenet-x": PRENET,
    "prenet-gru": PRENET,
    "prenet-lstm": PRENET,
    "prenet-generator": PRENET,
    "prn": PRENET,
    "prn-r": PRENET,
}
