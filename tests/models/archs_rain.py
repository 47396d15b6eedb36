"""Architectures small enough for tests: networks for rain."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {}
