"""DA-CLIP's training batches with the clean images beside: the same crops, and nothing else changed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.training.batches import daclip_batches
from benchmark.training.cache.digests import digest_of, write_index
from benchmark.training.cache.read import DecodedCache

SIZES = [(70, 90), (40, 64), (64, 64), (33, 150), (90, 41)]


@pytest.fixture
def cache(tmp_path: Path) -> DecodedCache:
    """Five pairs of noise; in the degraded image of each the clean one is darker by a factor of two."""
    generator = np.random.default_rng(0)
    rows, pixels, place = [], [], 0
    digests: dict[str, str] = {}
    for number, (height, width) in enumerate(SIZES):
        degraded = generator.integers(0, 128, height * width * 3, dtype=np.uint8)
        pixels += [degraded, degraded * 2]
        word = ("noisy", "hazy")[number % 2]
        rows.append({"key": str(number), "width": width, "height": height, "degradation": word, "words": word})
        rows[-1] |= {"degraded": place, "clean": place + len(degraded)}
        digests |= {str(place): digest_of(degraded), str(place + len(degraded)): digest_of(pixels[-1])}
        place += 2 * len(degraded)
    np.concatenate(pixels).tofile(tmp_path / "pixels.u8")
    write_index(tmp_path, digest="", size=place, rows=rows, pixels=digests)
    return DecodedCache(tmp_path)


def take(cache: DecodedCache, *, clean: bool, flips: bool, start: int = 0) -> list[dict[str, torch.Tensor]]:
    batches = daclip_batches(
        cache,
        [f"image {i}" for i in range(len(SIZES))],
        batch_size=2,
        image_size=32,
        context_length=77,
        flips=flips,
        seed=4,
        start=start,
        clean=clean,
    )
    return list(itertools.islice(batches, 6 - start))


@pytest.mark.parametrize("flips", [False, True])
def test_the_clean_images_are_cropped_and_mirrored_as_the_degraded_ones(flips: bool, cache: DecodedCache) -> None:
    std = torch.tensor((0.26862954, 0.26130258, 0.27577711))[:, None, None]
    mean = torch.tensor((0.48145466, 0.4578275, 0.40821073))[:, None, None]
    for batch in take(cache, clean=True, flips=flips):
        degraded, clean = (255 * (batch[name] * std + mean) for name in ("image", "clean"))
        # Bicubic resizing is linear but for clipping and for rounding to 8 bits, once along each side.
        inside = (clean > 1) & (clean < 254) & (degraded > 1)
        assert inside.float().mean() > 0.8
        assert (clean - 2 * degraded)[inside].abs().mean() < 1.5
        assert (clean.flip(-1) - 2 * degraded)[inside].abs().mean() > 20


def test_asking_for_the_clean_images_changes_nothing_else(cache: DecodedCache) -> None:
    for alone, both in zip(take(cache, clean=False, flips=True), take(cache, clean=True, flips=True), strict=True):
        assert set(both) - set(alone) == {"clean"}
        assert all(torch.equal(alone[name], both[name]) for name in alone)


def test_batches_are_a_function_of_the_step(cache: DecodedCache) -> None:
    whole, later = take(cache, clean=True, flips=True), take(cache, clean=True, flips=True, start=4)
    for first, second in zip(whole[4:], later, strict=True):
        assert all(torch.equal(first[name], second[name]) for name in first)
