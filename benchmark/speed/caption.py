"""How fast captions are made: a whole dataset against the plain loop over its rows, one image at a time."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.building.run import BuildOptions, build_dataset
from benchmark.captions.run import CaptionOptions, caption_folder
from benchmark.dataset.folder import Dataset
from benchmark.engine import default_workers
from benchmark.engine.scratch import scratch_folder
from benchmark.sources.embedded.photos import PHOTOS
from benchmark.sources.samples import FileImage, Sample
from benchmark.speed.random_blip import SIZES, save_random_blip
from models.images.files import FORMATS
from models.images.pixels import encode_png

PAPER_ROWS, PAPER_TWICE = 52_801, 3_550
"""Training rows of the paper, and clean images that serve two of them (DIV2K and Flickr2K: JPEG and noise)."""

UNIQUE = 124
BATCH = 32
SIZE = (256, 384)
LARGE_UNIQUE = 4


def caption_speed(*, large: bool = True) -> dict[str, Any]:
    """Time `bench caption` against the plain loop, and assert that both write the same captions.

    The plain loop is that of the documentation of transformers: for each row of the dataset, decode, preprocess,
    generate, one image at a time, in the same precision and with as many torch threads. The share of images that occur
    twice is the paper's. The models have BLIP's real classes and random weights; `small` is small enough for many
    images, `large` has the shape of the paper's captioner, with few images and nearly all the time spent in its vision
    tower. Random weights seldom end a caption early, so captions run to 32 tokens; real ones take about a third.

    Arguments:
        large: Whether the large shape is measured, too (minutes on a CPU).

    Returns:
        Seconds, processor seconds and rows per second of both ways, and their ratio, for each model.
    """
    measured = {"small": _measure("small", unique=UNIQUE, batch_size=BATCH)}
    if large:
        measured["large"] = _measure("large", unique=LARGE_UNIQUE, batch_size=LARGE_UNIQUE)
    return {
        "what": "caption",
        "ratio": measured["small"]["ratio"],
        "models": measured,
        "summary": [
            f"caption, {name} BLIP with random weights ({m['parameters'] / 1e6:.1f} M parameters, CPU, fp32): "
            f"{m['rows']} rows of {m['unique']} images: plain loop {m['plain_seconds']:.1f} s "
            f"({m['plain_rows_per_second']:.2f} rows/s), bench caption {m['seconds']:.1f} s "
            f"({m['rows_per_second']:.2f} rows/s): {m['ratio']:.2f} times as fast, same captions"
            for name, m in measured.items()
        ],
    }


def _measure(size: str, *, unique: int, batch_size: int) -> dict[str, Any]:
    with scratch_folder() as root:
        parameters = save_random_blip(root / "blip", SIZES[size])
        twice = max(1, round(unique * PAPER_TWICE / (PAPER_ROWS - PAPER_TWICE)))
        data = _write_dataset(root, unique=unique, twice=twice)
        started, busy = time.perf_counter(), time.process_time()
        plain = _plain_loop(data, root / "blip")
        plain_seconds, plain_busy = time.perf_counter() - started, time.process_time() - busy
        started, busy = time.perf_counter(), time.process_time()
        how = CaptionOptions(device="cpu", precision="fp32", batch_size=batch_size)
        outcome = caption_folder(data, str(root / "blip"), how=how)
        seconds, ours_busy = time.perf_counter() - started, time.process_time() - busy
        found = [row["caption"] for row in data.captions("train")]
    if found != plain:
        raise AssertionError("bench caption and the plain loop do not agree on the captions")
    rows = outcome.rows["train"]
    return {
        "parameters": parameters,
        "device": "cpu",
        "workers": default_workers(),
        "batch_size": batch_size,
        "rows": rows,
        "unique": outcome.unique["train"],
        "different_captions": len(set(found)),
        "plain_seconds": round(plain_seconds, 3),
        "plain_processor_seconds": round(plain_busy, 3),
        "plain_rows_per_second": round(rows / plain_seconds, 3),
        "seconds": round(seconds, 3),
        "processor_seconds": round(ours_busy, 3),
        "rows_per_second": round(rows / seconds, 3),
        "ratio": round(plain_seconds / seconds, 3),
    }


def _write_dataset(root: Path, *, unique: int, twice: int) -> Dataset:
    """Build a dataset of crops of the embedded photos, `twice` of which serve both JPEG and noise."""
    generator = np.random.default_rng(0)
    height, width = SIZE
    photos = [pixels for photo in PHOTOS if (pixels := photo.pixels()).shape[0] > height and pixels.shape[1] > width]
    samples = []
    for number in range(unique):
        photo = photos[number % len(photos)]
        top, left = (int(generator.integers(full - part + 1)) for full, part in zip(photo.shape, SIZE, strict=False))
        file = root / f"{number:04d}.png"
        file.write_bytes(encode_png(np.ascontiguousarray(photo[top : top + height, left : left + width])))
        specs = {"noisy": "noise(sigma=50)", "jpeg-compressed": "jpeg(quality=10)"}
        for word, spec in list(specs.items())[: 2 if number < twice else 1]:
            samples.append(Sample(f"speed/{word}/{number}", word, "train", "demo", clean=FileImage(file), spec=spec))
    samples.sort(key=lambda sample: sample.degradation)
    build_dataset(samples, root / "dataset", recipe={}, place=BuildOptions(0))
    return Dataset(root / "dataset")


def _plain_loop(data: Dataset, model_folder: Path) -> list[str]:
    import torch
    from PIL import Image
    from transformers import BlipForConditionalGeneration, BlipProcessor

    processor: Any = BlipProcessor.from_pretrained(model_folder, trust_remote_code=False)
    model: Any = BlipForConditionalGeneration.from_pretrained(model_folder, trust_remote_code=False)
    model.eval()
    captions = []
    with torch.inference_mode():
        for row in data.rows("train", columns=["clean"]):
            image = Image.open(io.BytesIO(row["clean"]["bytes"]), formats=FORMATS).convert("RGB")
            inputs = processor(images=image, return_tensors="pt")
            tokens = model.generate(**inputs, max_new_tokens=32, num_beams=1, do_sample=False)
            captions.append(processor.decode(tokens[0], skip_special_tokens=True).strip())
    return captions
