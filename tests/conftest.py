"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Machines differ in speed by more than any deadline allows for.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _own_arithmetic() -> Iterator[None]:
    """Undo what a command of the program sets for its process: tests share one."""
    yield
    if "torch" in sys.modules:
        import torch

        torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden outputs and real test sets; tests that need it are skipped where it is absent."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("BENCH_SHARED", root.parent / "shared"))
    if not (folder / "parity").is_dir():
        pytest.skip(f"no reference folder at {folder} (set BENCH_SHARED to its path)")
    return folder
