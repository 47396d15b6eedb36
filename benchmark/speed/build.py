"""How fast, and in how much memory, a dataset is built."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmark.building.run import BuildOptions, build_dataset
from benchmark.engine import default_workers
from benchmark.engine.children import isolated
from benchmark.engine.scratch import scratch_folder
from benchmark.sources.embedded.photos import PHOTOS
from benchmark.sources.samples import FileImage, Sample
from models.images.pixels import encode_png
from models.inference.peak import peak_memory

IMAGES = 48
SIZE = (1356, 2040)  # the usual size of a DIV2K image
SPECS = {"jpeg-compressed": "jpeg(quality=10)", "noisy": "noise(sigma=50)"}
MEMORY_PAIRS = (100, 5000)
MEMORY_SIZE = (320, 480)


def build_speed() -> dict[str, Any]:
    """Time the build of noisy and JPEG-compressed pairs against the plain loop, and measure memory at two sizes.

    The plain loop is the authors' way of making the same images: for each type, one file after the other is read by
    OpenCV, degraded in float64 and written as PNG by OpenCV, in one process. Both start from the same PNG files,
    mosaics of the embedded photos at the size of DIV2K.

    Returns:
        Seconds of both, their ratio, and the peak memory of one building process for 100 and for 5,000 pairs.
    """
    workers = default_workers()
    with scratch_folder() as root:
        files = write_mosaics(root, IMAGES, SIZE)
        started = time.perf_counter()
        _plain_loop(files, root / "plain")
        plain = time.perf_counter() - started
        started = time.perf_counter()
        build_dataset(_samples(files), root / "dataset", recipe={}, place=BuildOptions(workers))
        built = time.perf_counter() - started
        written = sum(file.stat().st_size for file in (root / "plain").rglob("*.png"))
        stored = sum(file.stat().st_size for file in (root / "dataset" / "data").iterdir())
    memory = {str(pairs): peak_memory_of(pairs) for pairs in MEMORY_PAIRS}
    first, last = memory.values()
    pairs = IMAGES * len(SPECS)
    return {
        "what": "build",
        "pairs": pairs,
        "size": f"{SIZE[1]}x{SIZE[0]}",
        "workers": workers,
        "plain_seconds": round(plain, 3),
        "build_seconds": round(built, 3),
        "ratio": round(plain / built, 3),
        "plain_bytes": written,
        "build_bytes": stored,
        "peak_memory_bytes": memory,
        "summary": [
            f"build: {pairs} noisy and JPEG pairs of {SIZE[1]}x{SIZE[0]}: plain loop {plain:.1f} s (degraded images "
            f"alone, {written / 1e6:.0f} MB), {workers} workers {built:.1f} s (whole dataset, {stored / 1e6:.0f} MB): "
            f"{plain / built:.2f} times as fast",
            f"peak memory of one building process: {first / 1e6:.0f} MB for {MEMORY_PAIRS[0]} pairs, "
            f"{last / 1e6:.0f} MB for {MEMORY_PAIRS[1]:,}: {last / first:.2f} times as much",
        ],
    }


def _samples(files: list[Path]) -> list[Sample]:
    return [
        Sample(f"speed/train/{word}/{file.stem}", word, "train", "demo", clean=FileImage(file), spec=spec)
        for file in files
        for word, spec in SPECS.items()
    ]


def write_mosaics(root: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Write `count` PNG files of `size`, each a different mosaic of the embedded photos at their own resolution."""
    generator = np.random.default_rng(0)
    files = []
    for number in range(count):
        files.append(root / f"{number:04d}.png")
        files[-1].write_bytes(encode_png(mosaic(generator, size)))
    return files


def mosaic(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return pieces of the embedded photos, drawn at random, as one uint8 RGB image of this height and width."""
    photos = [photo.pixels() for photo in PHOTOS]
    canvas = np.zeros((*size, 3), np.uint8)
    for top in range(0, size[0], 320):
        for left in range(0, size[1], 400):
            photo = photos[int(generator.integers(len(photos)))]
            part = photo[: size[0] - top, : size[1] - left][:320, :400]
            part = np.pad(part, ((0, max(0, 320 - part.shape[0])), (0, max(0, 400 - part.shape[1])), (0, 0)), "wrap")
            room = canvas[top : top + 320, left : left + 400]
            room[:] = part[: room.shape[0], : room.shape[1]]
    return canvas


def _plain_loop(files: list[Path], out: Path) -> None:
    generator = np.random.RandomState(0)
    for word in SPECS:
        folder = out / word
        folder.mkdir(parents=True)
        for file in files:
            pixels = cv2.imread(str(file))
            assert pixels is not None
            image = pixels / 255.0
            if word == "noisy":
                image = np.clip(image + generator.normal(0, 50 / 255, image.shape), 0, 1)
            else:
                code = cv2.imencode(".jpg", np.rint(image * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 10])[1]
                compressed = cv2.imdecode(code, cv2.IMREAD_COLOR)
                assert compressed is not None
                image = compressed / 255.0
            cv2.imwrite(str(folder / file.name), (image * 255).astype(np.uint8))


def peak_memory_of(pairs: int) -> int:
    """Return the peak memory in bytes of a process that builds `pairs` pairs by itself."""
    code = f"from benchmark.speed.build import report_memory; report_memory({pairs})"
    done = subprocess.run(isolated(code), capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout))


def report_memory(pairs: int) -> None:
    """Build `pairs` pairs in this process and print its peak memory in bytes."""
    with scratch_folder() as root:
        files = write_mosaics(root, 10, MEMORY_SIZE)
        many = []
        for number in range(pairs // len(SPECS)):
            many.append(root / f"copy-{number}.png")
            many[-1].hardlink_to(files[number % len(files)])
        build_dataset(_samples(many), root / "dataset", recipe={}, place=BuildOptions(0))
        print(json.dumps(peak_memory()))
