"""The process stays within the memory that it was given, and uses tiles for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRIAL = Path(__file__).parents[2] / "made" / "memory_trial.py"
MEBIBYTE = 2**20


@pytest.mark.long
@pytest.mark.parametrize("name", ["input", "nafnet", "nafnet-daclip", "restormer"])
def test_a_large_image_is_restored_within_the_memory_that_is_allowed(name: str) -> None:
    command = [sys.executable, str(TRIAL), name, "1080", "1920", str(400 * MEBIBYTE)]
    paths = os.pathsep.join([str(TRIAL.parents[2]), str(TRIAL.parent)])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TRIAL.parents[2], env=environment)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["peak"] <= found["budget"]
    assert found["calls"] > 1 or name == "input"
