"""Builds in child processes killed at random moments; run as a script, so that it forks before any thread runs."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from trees import tree_digest

from benchmark.building import plan
from benchmark.building.run import build_dataset
from benchmark.sources.samples import FileImage, Sample


def samples(folder: Path) -> list[Sample]:
    """Return pairs of every kind over the PNG files of a folder: distributed, JPEG, noise, and one that is left out."""
    files = sorted(folder.glob("*.png"))
    found = [
        Sample("k/bad", "hazy", "train", "demo", clean=FileImage(files[0]), degraded=FileImage(folder / "bad.jpg"))
    ]
    for number, file in enumerate(files):
        split = "test" if number % 5 == 0 else "train"
        clean = FileImage(file)
        found += [
            Sample(f"k/pair/{file.stem}", "rainy", split, "demo", clean=clean, degraded=FileImage(files[number - 1])),
            Sample(f"k/jpeg/{file.stem}", "jpeg-compressed", split, "demo", clean=clean, spec="jpeg(quality=10)"),
            Sample(f"k/noise/{file.stem}", "noisy", split, "demo", clean=clean, spec="noise(sigma=50)", caption="a"),
        ]
    return found


def build(images: Path, out: Path) -> None:
    """Build the dataset in this process, in small shards so that there are many moments to be killed between."""
    plan.SHARD_ROWS = 4
    build_dataset(samples(images), out, recipe={"preset": "kill"})


def run(images: Path, out: Path, limit: float | None) -> bool:
    """Build in a child process, killed after `limit` seconds; return whether it ended by itself."""
    child = os.fork()
    if child == 0:
        build(images, out)
        os._exit(0)
    if limit is not None:
        time.sleep(limit)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def main(images: Path, work: Path, trials: int) -> None:
    """Print how many trials were killed, in how many states, and fail at the first that ends with other bytes."""
    started = time.perf_counter()
    assert run(images, work / "whole", None)
    took = time.perf_counter() - started
    expected = tree_digest(work / "whole")
    generator = random.Random(0)
    killed, states = 0, set()
    for trial in range(trials):
        out = work / "trial"
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(generator.randint(1, 3)):
            killed += not run(images, out, generator.uniform(0, took))
            states.add(len(list((out / "data").glob("*.parquet"))) if (out / "data").is_dir() else -1)
            if (out / "manifest.json").is_file():
                assert expected.items() <= tree_digest(out).items(), f"trial {trial}: half a dataset looks whole"
        assert run(images, out, None), f"trial {trial}: the last run failed"
        found = tree_digest(out)
        other = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
        assert not other, f"trial {trial} ended with other bytes in {sorted(other)}"
    print(f"{trials} trials, {killed} kills, {len(states)} states, all ended with the same bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
