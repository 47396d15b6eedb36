"""Caches filled by processes killed at random moments, and by two at once; run as a script."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmark.dataset.folder import Dataset
from benchmark.training.cache.read import open_cache


def fill(data: Path, workers: int) -> None:
    """Open the training cache of a dataset, decoding in `workers` processes."""
    open_cache(Dataset(data), "train", workers=workers)


def digest(data: Path) -> str:
    """Return a digest of the names and bytes of all files of a finished cache."""
    found = hashlib.sha256()
    for file in sorted((data / ".cache").rglob("*")):
        if file.is_file() and file.name != ".lock":
            found.update(str(file.relative_to(data)).encode() + file.read_bytes())
    return found.hexdigest()


def run(data: Path, limit: float | None, workers: int) -> bool:
    """Fill in a child process, killed with its workers after `limit` seconds; return whether it ended by itself."""
    child = subprocess.Popen([sys.executable, __file__, "fill", data, str(workers)], start_new_session=True)
    try:
        return child.wait(limit) == 0
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return False


def main(data: Path, trials: int) -> None:
    """Print how many trials were killed, in how many states, and fail at the first that ends with other bytes."""
    started = time.perf_counter()
    assert run(data, None, 0)
    took = time.perf_counter() - started
    expected = digest(data)
    generator = random.Random(0)
    killed, states = 0, set()
    for trial in range(trials):
        shutil.rmtree(data / ".cache")
        for _ in range(generator.randint(1, 3)):
            # The first seconds are for imports, where nothing can break.
            killed += not run(data, generator.uniform(0.4, 1) * took, generator.choice([0, 2]))
            states.add(len(list((data / ".cache").rglob("train-*-of-*"))))
        assert run(data, None, 0), f"trial {trial}: the last run failed"
        assert digest(data) == expected, f"trial {trial} ended with other bytes"
    shutil.rmtree(data / ".cache")
    both = [multiprocessing.Process(target=fill, args=(data, 0)) for _ in range(3)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0, 0]
    assert digest(data) == expected, "three at once ended with other bytes"
    print(f"{trials} trials, {killed} kills, {len(states)} states, all ended with the same bytes")


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
