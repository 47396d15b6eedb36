"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden outputs and real test sets; tests that need it are skipped where it is absent."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("BENCH_SHARED", root.parent / "shared"))
    if not (folder / "parity").is_dir():
        pytest.skip(f"no reference folder at {folder} (set BENCH_SHARED to its path)")
    return folder
