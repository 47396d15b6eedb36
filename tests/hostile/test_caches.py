"""Flips in the decoded cache, its marks and the shards that it is made from: never trained on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from kept_folders import put_back
from test_cache import make, pixels_file
from trials import Tally, counts, try_flips

from benchmark.dataset.folder import Dataset
from benchmark.training.batches import restoration_batches
from benchmark.training.cache.read import open_cache


def trained_on(data: Path) -> str:
    """Return a digest of what a training on a dataset sees: some batches, and every pair."""
    cache = open_cache(Dataset(data), "train")
    found = hashlib.sha256(repr([(row["key"], row["degradation"], row["words"]) for row in cache.rows]).encode())
    batches = restoration_batches(cache, batch_size=4, patch_size=16, seed=1, start=0, workers=0)
    for _, batch in zip(range(3), batches, strict=False):
        found.update(batch["degraded"].numpy().tobytes() + batch["clean"].numpy().tobytes())
    for number in range(len(cache)):
        found.update(b"".join(image.tobytes() for image in cache.pair(number)))
    return found.hexdigest()


@counts(6, 120)
@pytest.mark.parametrize("name", ["pixels.u8", "index.json"])
def test_flips_in_a_finished_cache(name: str, count: int, tmp_path: Path) -> None:
    data = make(tmp_path).folder
    clean = trained_on(data)
    file = pixels_file(Dataset(data)).parent / name

    def attempt() -> str:
        with put_back(data / ".cache"):
            return trained_on(data)

    with Tally(f"flips in {name} of the decoded cache, training") as tally:
        try_flips(tally, file, count, attempt, clean=clean)


@counts(6, 120)
@pytest.mark.parametrize("name", ["pixels.u8", "mark"])
def test_flips_in_an_interrupted_filling(name: str, count: int, tmp_path: Path) -> None:
    dataset = make(tmp_path)
    data = dataset.folder
    clean = trained_on(data)
    pixels = pixels_file(dataset)
    shutil.rmtree(data / ".cache")

    def stop(done: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_cache(dataset, "train", progress=stop)
    file = pixels if name == "pixels.u8" else sorted((pixels.parent / "done").iterdir())[0]

    def attempt() -> str:
        with put_back(data / ".cache"):
            return trained_on(data)

    with Tally(f"flips in the {name} of an interrupted decoding, continued") as tally:
        try_flips(tally, file, count, attempt, clean=clean)


@counts(6, 120)
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_flips_in_a_shard_while_the_cache_is_filled(kind: str, count: int, tmp_path: Path) -> None:
    dataset = make(tmp_path)
    data = dataset.folder
    clean = trained_on(data)
    # The degraded images of the first shard are JPEG files, those of the last are PNG.
    shard = dataset.shards("train")[0 if kind == "jpeg" else -1]

    def attempt() -> str:
        shutil.rmtree(data / ".cache", ignore_errors=True)
        return trained_on(data)

    with Tally(f"flips in a shard of {kind}, decoded for training") as tally:
        try_flips(tally, shard, count, attempt, clean=clean)
