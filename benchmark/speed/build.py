"""Measurements of speed, as ratios between two ways of doing the same work in one run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmark import engine
from benchmark.build import build_dataset
from benchmark.degradations.specs import apply
from benchmark.sources import SOURCES
from models.images import decode, encode_png

PAIRS = 480


def build_speed() -> dict[str, Any]:
    """Time the build of noisy and JPEG-compressed pairs against the plain loop over single images.

    The plain loop reads, degrades and writes one PNG after the other, as the authors' script does, in one process.

    Returns:
        Pairs, seconds of both, workers, and the ratio plain / build.
    """
    kinds = ("noisy", "jpeg-compressed")
    samples = [s for s in SOURCES.load("demo")(None) if s.degradation in kinds][:PAIRS]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        files = []
        for number, sample in enumerate(samples):
            files.append(out / f"{number}.png")
            files[-1].write_bytes(sample.clean.read())
        started = time.perf_counter()
        for sample, file in zip(samples, files, strict=True):
            assert sample.spec is not None
            degraded = apply(sample.spec, decode(file.read_bytes()), seed=sample.seed, key=sample.key)
            file.with_suffix(".degraded.png").write_bytes(encode_png(degraded))
        plain = time.perf_counter() - started
        workers = engine.default_workers()
        started = time.perf_counter()
        build_dataset(samples, out / "dataset", recipe={}, workers=workers)
        built = time.perf_counter() - started
    return {
        "what": "build",
        "pairs": len(samples),
        "workers": workers,
        "plain_seconds": round(plain, 3),
        "build_seconds": round(built, 3),
        "ratio": round(plain / built, 3),
    }
