"""Small datasets for trials, and what a reader gets out of them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.building import plan
from benchmark.building.run import build_dataset
from benchmark.dataset.folder import Dataset
from benchmark.sources.samples import FileImage, Sample

KINDS = {"png": "PNG", "jpg": "JPEG"}


def photo(seed: int, kind: str, *, size: tuple[int, int] = (40, 56)) -> bytes:
    """Return an image file of soft patches under a little noise."""
    generator = np.random.default_rng(seed)
    patches = np.kron(generator.integers(0, 256, (size[0] // 8, size[1] // 8, 3)), np.ones((8, 8, 1)))
    pixels = np.clip(patches + generator.normal(0, 8, patches.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, KINDS[kind])
    return buffer.getvalue()


def made_samples(images: Path, kind: str, *, pairs: int = 4, captions: bool = True) -> list[Sample]:
    """Return pairs of two types in both splits, whose images are written where they are not yet."""
    images.mkdir(parents=True, exist_ok=True)
    samples = []
    for split in ("train", "test"):
        for number in range(pairs):
            word = ("hazy", "noisy")[number % 2]
            files = [images / f"{split}-{number}-{role}.{kind}" for role in ("clean", "degraded")]
            for seed, file in enumerate(files):
                if not file.exists():
                    file.write_bytes(photo(10 * number + seed + 100 * (split == "test"), kind))
            clean, degraded = (FileImage(file) for file in files)
            caption = f"patches of {split} {number}" if captions else None
            key = f"made/{split}/{word}/{number}"
            samples.append(Sample(key, word, split, "made", clean=clean, degraded=degraded, caption=caption))
    return samples


def build(samples: list[Sample], out: Path, **more: Any) -> dict[str, Any]:
    """Build a dataset in shards of three pairs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SHARD_ROWS", 3)
        return build_dataset(samples, out, recipe={"preset": None, "sources": [{"name": "made"}]}, **more)


def read_all(folder: Path) -> str:
    """Return a digest of everything that a reader of a dataset gets: manifest, columns and pixels."""
    data = Dataset(folder)
    digest = hashlib.sha256(repr((data.name, data.digest, data.manifest)).encode())
    for split in data.manifest["splits"]:
        digest.update(repr((data.split(split), data.degradations(split), data.index(split))).encode())
        for pair in data.pairs(split):
            digest.update(repr((pair.key, pair.degradation)).encode() + pair.degraded.tobytes() + pair.clean.tobytes())
    return digest.hexdigest()
