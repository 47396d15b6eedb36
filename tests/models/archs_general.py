"""Architectures small enough for tests: networks for several tasks."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {}
