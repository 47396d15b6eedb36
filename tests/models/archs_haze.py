"""Architectures small enough for tests: networks for haze."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {}
