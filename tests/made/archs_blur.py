"""Architectures small enough for tests: networks for motion blur."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {
    "deepdeblur": {"width": 8, "blocks": 1, "kernel": 3},
    "deblurgan": {"width": 8, "blocks": 1},
    "deblurganv2-inception": {"pyramid": 16, "width": 8, "repeats": (1, 1, 1), "slim": 16, "classes": 2},
    "deblurganv2-mobilenet": {"pyramid": 16, "width": 8, "slim": 8},
    "nafnet-local": {
        "width": 8,
        "encoder_blocks": (1, 2),
        "middle_blocks": 1,
        "decoder_blocks": (1, 1),
        "train_size": 16,
    },
}
