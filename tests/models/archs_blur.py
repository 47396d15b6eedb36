"""Architectures small enough for tests: networks for motion blur."""

from __future__ import annotations

ARCHS: dict[str, dict[str, object]] = {}
