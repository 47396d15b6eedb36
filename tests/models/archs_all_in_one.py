"""Architectures small enough for tests: networks for ten degradations at once."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {}
