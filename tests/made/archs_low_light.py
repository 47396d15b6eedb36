"""Architectures small enough for tests: networks for low light."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {
    "enlightengan": {"width": 16},
    "uretinex": {"width": 4, "rounds": 2},
}
