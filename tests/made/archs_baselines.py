"""Architectures small enough for tests: methods without weights have none."""

from __future__ import annotations

NAMES = ("input", "nlm", "tv", "wiener", "unsupervised-wiener", "clahe", "biharmonic", "dark-channel")
ARCHS: dict[str, dict[str, object]] = {name: {} for name in NAMES}
