"""A small dataset, tiny settings and processes that tests of training share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from benchmark.building.run import build_dataset
from benchmark.cli import main
from benchmark.sources import SOURCES

NAFNET = ("--preset", "demo", "--set=arch.width=8", "--set=patch_size=32", "--set=batch_size=6", "--set=log_every=1")
CLIP = ("embed_dim=32", "vision_cfg.width=32", "vision_cfg.layers=1", "text_cfg.width=32", "text_cfg.layers=1")
DACLIP = ("--preset", "demo", *(f"--set=arch.clip.{text}" for text in CLIP), "--set=batch_size=8", "--set=log_every=1")
IR_SDE = (
    "--preset",
    "demo",
    "--set=arch.multipliers=[2, 2]",
    "--set=patch_size=16",
    "--set=batch_size=6",
    "--set=log_every=1",
)


def make_dataset(folder: Path) -> Path:
    """Build two training pairs and two test pairs of each type, with captions."""
    samples = [
        sample
        for _, same in groupby(SOURCES.load("demo")(None), key=lambda s: (s.split, s.degradation))
        for sample in list(same)[:2]
    ]
    build_dataset(samples, folder, recipe={})
    assert command("caption", str(folder), "--captioner", "sidecar") == 0
    return folder


def command(*arguments: str) -> int:
    """Run the command line in this process and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def start(*arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start the command line as a process of its own, one thread each, perhaps under a launcher."""
    bench = Path(sys.executable).parent / "bench"
    head = [str(Path(sys.executable).parent / launcher[0]), *launcher[1:]] if launcher else [sys.executable]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [*head, str(bench), *arguments], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[str], *, within: float = 500) -> tuple[int, str, str]:
    """Wait for a process and return its exit status, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def events(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log."""
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    """Return the logged losses of a run."""
    return [event["loss"] for event in events(run) if "loss" in event]
