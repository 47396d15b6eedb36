"""An evaluation that is killed at any moment continues and ends with the same result."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_fifty_killed_evaluations_end_with_the_same_result(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "made" / "eval_kill_trials.py"
    done = subprocess.run([sys.executable, script, tmp_path, "50"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    killed, states = map(int, re.findall(r"(\d+) kills, (\d+) states", done.stdout)[0])
    assert killed >= 40
    assert states >= 5
