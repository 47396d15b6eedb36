"""Captioning in child processes killed at random moments; run as a script, so that it forks before any thread runs."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import tiny_blip
import torch
from small_splits import pictures, write_splits

from captioning import run
from captioning.captioners.hub import HubCaptioner
from captioning.plan import Split
from captioning.run import caption_dataset
from models.files import sha256_file


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder, hidden ones too."""
    return {str(f.relative_to(folder)): sha256_file(f) for f in folder.rglob("*") if f.is_file()}


def attempt(splits: dict[str, Split], captioner: HubCaptioner, out: Path, limit: float | None) -> bool:
    """Caption in a child process, killed after `limit` seconds; return whether it ended by itself."""
    child = os.fork()
    if child == 0:
        run.UNIT = 4
        caption_dataset(splits, captioner, out, pixels=True, batch_size=3)
        os._exit(0)
    if limit is not None:
        time.sleep(limit)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def main(work: Path, trials: int) -> None:
    """Print how many trials were killed, in how many states, and fail at the first that ends with other bytes."""
    torch.set_num_threads(1)  # a team of threads would not survive the fork
    splits = write_splits(work / "data", pictures(30))
    captioner = HubCaptioner(name="tiny", weights=str(tiny_blip.save_blip(work / "blip")), max_new_tokens=4)
    captioner.load()
    started = time.perf_counter()
    assert attempt(splits, captioner, work / "whole", None)
    took = time.perf_counter() - started
    expected = digests(work / "whole")
    generator = random.Random(0)
    killed, states = 0, set()
    for trial in range(trials):
        out = work / "trial"
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(generator.randint(1, 3)):
            killed += not attempt(splits, captioner, out, generator.uniform(0, took))
            states.add(len(list(out.rglob("*"))))
            for file in out.rglob("*.parquet"):
                if not file.name.startswith("."):
                    name = str(file.relative_to(out))
                    assert sha256_file(file) == expected[name], f"trial {trial}: {name} is there but not whole"
        assert attempt(splits, captioner, out, None), f"trial {trial}: the last run failed"
        found = digests(out)
        other = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
        assert not other, f"trial {trial} ended with other bytes in {sorted(other)}"
    print(f"{trials} trials, {killed} kills, {len(states)} states, all ended with the same bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
