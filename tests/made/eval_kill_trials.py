"""Evaluations in child processes killed at random moments; run as a script, so that it forks before any thread runs."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch reads it: children of a loaded machine wait for each other

import torch  # noqa: F401 - imported once here, and not by every child
from eval_data import eval_dataset, small_weights

from benchmark.cli import main as bench
from benchmark.evaluation.run import evaluate_jobs  # noqa: F401 - likewise
from benchmark.evaluation.scoring.scorer import MultiScorer  # noqa: F401 - likewise
from models.files import sha256_file

PROTOCOLS = ("daclip", "restormer-y")
MEASURED = ("seconds_per_image", "peak_memory_bytes")


def evaluate(root: Path, boards: Path, limit: float | None) -> bool:
    """Evaluate in a child process, killed after `limit` seconds; return whether it ended well by itself."""
    child = os.fork()
    if child == 0:
        devnull = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(devnull, stream)
        weights = root / "ir-sde-0.safetensors"
        options = ["--network", "ir-sde", "--weights", str(weights), "--data", str(root / "data")]
        options += [part for protocol in PROTOCOLS for part in ("--protocol", protocol)]
        try:
            bench(["eval", *options, "--leaderboards", str(boards), "--device", "cpu"])
        except SystemExit as end:
            os._exit(int(end.code or 0))
    if limit is not None:
        time.sleep(limit)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def digest(boards: Path) -> dict[str, Any]:
    """Return what every file below the results says, without what was measured of the machine."""
    found: dict[str, Any] = {}
    for file in sorted((boards / "results").rglob("*.*")):
        if file.suffix == ".json":
            value = json.loads(file.read_text())
            for name in ("command", "date", "seal"):
                value.pop(name)  # the folder's name, the day, and what follows from them
            for name in MEASURED:
                assert value["cost"].pop(name) > 0
            found[file.name] = json.dumps(value)
        elif file.is_file():
            found[file.name] = sha256_file(file)
    return found


def main(root: Path, trials: int) -> None:
    """Print how many were killed, in how many states, and fail at the first that ends with another result."""
    eval_dataset(root / "data", rows=6)
    small_weights(root, "ir-sde")
    assert evaluate(root, root / "whole", None)
    started = time.perf_counter()
    shutil.rmtree(root / "whole")
    assert evaluate(root, root / "whole", None)
    took = time.perf_counter() - started
    expected = digest(root / "whole")
    assert len(expected) == 2 * len(PROTOCOLS) + 1, sorted(expected)
    generator = random.Random(0)
    killed, states = 0, set()
    for trial in range(trials):
        boards = root / "trial"
        shutil.rmtree(boards, ignore_errors=True)
        for _ in range(generator.randint(1, 3)):
            killed += not evaluate(root, boards, generator.uniform(0, took))
            states.add(state(boards))
        started = time.perf_counter()
        assert evaluate(root, boards, None), f"trial {trial}: the last run failed"
        took = min(took, max(time.perf_counter() - started, took / 2))
        found = digest(boards)
        other = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
        assert not other, f"trial {trial} ended with another result in {sorted(other)}"
    print(f"{trials} trials, {killed} kills, {len(states)} states, all ended with the same result")


def state(boards: Path) -> tuple[int, int]:
    """Return how many images are written down, and how many results."""
    import sqlite3

    images = 0
    for file in (boards / "results" / ".partial").glob("*.sqlite"):
        connection = sqlite3.connect(file)
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            images = connection.execute("SELECT count(*) FROM images").fetchone()[0]
        connection.close()
    return images, len(list((boards / "results").glob("*/*.json")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
