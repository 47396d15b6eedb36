"""A small dataset in the authors' layout, and exporting it, for the tests of exports."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.cli import main
from benchmark.dataset.folder import Dataset
from benchmark.export.run import Options, export, plan_export
from captioning.titles import render_titles
from models.vocabulary import DEGRADATIONS

TYPES = (*DEGRADATIONS[:3], "snowy", "wild")
ODD = ('a "quoted" sign: stop: now', "tabs\tand\nline ends", "carriage\rreturn", "größe – 日本", "a plain cat")


def run(*arguments: str) -> int:
    """Run the command line and return its exit status."""
    try:
        main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def raw_folder(folder: Path, *, count: int = 12) -> Path:
    """Write the authors' layout: JPEG beside PNG, numbers without zeros, odd captions, a mixture of degradations."""
    generator = np.random.default_rng(1)
    for split, number in (("train", count), ("val", 3)):
        titles = []
        for word, n in itertools.product(TYPES, range(1, number + 1)):
            for role, suffix in (("LQ", "jpg" if n % 2 else "png"), ("GT", "png")):
                path = folder / split / word / role / f"im-{n}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(generator.integers(0, 256, (16, 20, 3)).astype(np.uint8)).save(path)
            words = "blur, jpeg block" if word == "wild" else word
            titles.append((f"x/{split}/{word}/LQ/im-{n}.{'jpg' if n % 2 else 'png'}", f"{ODD[n % 5]} {n}", words))
        (folder / f"daclip_{split}.csv").write_bytes(render_titles(titles))
    return folder


def build(root: Path, *, count: int = 12) -> Dataset:
    """Build a small dataset with captions below `root`."""
    raw = raw_folder(root / "raw", count=count)
    assert run("build-dataset", "--source", f"universal={raw}", "--out", str(root / "data"), "--workers", "0") == 0
    assert run("caption", str(root / "data"), "--captioner", "sidecar") == 0
    return Dataset(root / "data")


def write(data: Dataset, out: Path, layout: str, progress: Any = lambda done: None, **options: Any) -> dict[str, Any]:
    plan = plan_export(data, out, layout=layout, options=Options(**{"dataroot": "root", "shard_size": 7, **options}))
    return export(data, out, plan, layout=layout, progress=progress)
