"""The cache of decoded images: whole or absent, found by digest, each clean image once, the same bytes however made."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from small_datasets import small_dataset
from stranger_datasets import rewrite

from benchmark.building import plan
from benchmark.building.run import build_dataset
from benchmark.dataset.folder import Dataset
from benchmark.sources.samples import FileImage, Sample
from benchmark.training.cache.read import cache_size, check_cache, open_cache
from models.errors import UserError
from models.files import read_json, sha256_bytes, write_json
from models.images.pixels import decode, encode_png

SIZES = [(24, 32), (40, 20), (33, 47), (16, 16), (50, 61), (24, 32)]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Six photos of several sizes, each compressed and made noisy, in shards of four rows."""
    return make(tmp_path)


def make(root: Path, *, seed: int = 0, repeat: int = 1) -> Dataset:
    generator = np.random.default_rng(seed)
    files = []
    (root / "photos").mkdir(parents=True)
    for number, (height, width) in enumerate(SIZES):
        files.append(root / "photos" / f"{number}.png")
        pixels = cv2.resize(generator.integers(0, 256, (6, 6, 3)).astype(np.uint8), (width * repeat, height * repeat))
        files[-1].write_bytes(encode_png(np.asarray(pixels)))
    specs = {"jpeg-compressed": "jpeg(quality=10)", "noisy": "noise(sigma=50)"}
    samples = [
        Sample(f"c/{word}/{file.stem}", word, "train", "demo", clean=FileImage(file), spec=spec)
        for word, spec in specs.items()
        for file in files
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SHARD_ROWS", 4)
        build_dataset(samples, root / "data", recipe={})
    return Dataset(root / "data")


def pixels_file(dataset: Dataset) -> Path:
    (found,) = dataset.folder.glob(".cache/train-*/pixels.u8")
    return found


def test_pairs_are_the_decoded_images_of_the_parquet(dataset: Dataset) -> None:
    cache = open_cache(dataset, "train")
    assert len(cache) == 2 * len(SIZES)
    for number, row in enumerate(dataset.rows("train")):
        degraded, clean = cache.pair(number)
        assert np.array_equal(degraded, decode(row["degraded"]["bytes"]))
        assert np.array_equal(clean, decode(row["clean"]["bytes"]))
        assert cache.key(number) == row["key"]
        assert cache.shape(number) == degraded.shape[:2]
        assert not degraded.flags.writeable


def test_a_clean_image_that_two_types_share_is_stored_once(dataset: Dataset) -> None:
    cache = open_cache(dataset, "train")
    once = sum(3 * height * width for height, width in SIZES)
    assert pixels_file(dataset).stat().st_size == cache_size(dataset, "train") == 3 * once
    assert len({row["clean"] for row in cache.rows}) == len(SIZES)


def test_it_is_made_once_and_announced_with_its_size(dataset: Dataset) -> None:
    told: list[str] = []
    done: list[int] = []
    open_cache(dataset, "train", announce=told.append, progress=done.append)
    written = pixels_file(dataset).stat().st_mtime_ns
    again: list[int] = []
    open_cache(dataset, "train", announce=told.append, progress=again.append)
    assert len(told) == 1
    assert re.search(r"decoding 12 pairs of train once, into .*\(0\.00 GB on disk\)", told[0])
    assert (done[0], done[-1]) == (0, 12)
    assert sorted(done) == done
    assert again == [12]
    assert pixels_file(dataset).stat().st_mtime_ns == written
    assert sorted(file.name for file in pixels_file(dataset).parent.iterdir()) == [".lock", "index.json", "pixels.u8"]


def test_worker_processes_write_the_same_bytes(dataset: Dataset) -> None:
    open_cache(dataset, "train", workers=0)
    alone = pixels_file(dataset).read_bytes(), (pixels_file(dataset).parent / "index.json").read_bytes()
    shutil.rmtree(dataset.folder / ".cache")
    open_cache(dataset, "train", workers=2)
    assert alone == (pixels_file(dataset).read_bytes(), (pixels_file(dataset).parent / "index.json").read_bytes())


def interrupted(dataset: Dataset) -> tuple[Path, bytes]:
    """Fill the cache but for the last of three shards, as a run does that is killed there; return the whole pixels."""
    open_cache(dataset, "train")
    file, expected = pixels_file(dataset), pixels_file(dataset).read_bytes()
    shutil.rmtree(dataset.folder / ".cache")

    def stop(done: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_cache(dataset, "train", progress=stop)
    assert len(list((file.parent / "done").iterdir())) == 2
    return file, expected


def test_what_a_killed_run_finished_is_not_decoded_again(dataset: Dataset) -> None:
    file, expected = interrupted(dataset)
    marks = {path.name: path.stat().st_ino for path in (file.parent / "done").iterdir()}
    done: list[int] = []
    told: list[str] = []

    def look(count: int) -> None:
        done.append(count)
        kept = {path.name: path.stat().st_ino for path in (file.parent / "done").glob("*")}
        assert not kept or marks.items() <= kept.items()

    open_cache(dataset, "train", progress=look, announce=told.append)
    assert done[0] == 8
    assert len(told) == 1
    assert file.read_bytes() == expected


@pytest.mark.parametrize("damage", ["pixels", "mark"])
def test_what_was_damaged_after_a_killed_run_is_decoded_again(damage: str, dataset: Dataset) -> None:
    file, expected = interrupted(dataset)
    if damage == "pixels":
        with open(file, "r+b") as handle:
            handle.write(bytes([expected[0] ^ 1]))
    else:
        mark = sorted((file.parent / "done").iterdir())[0]
        mark.write_text(mark.read_text().replace("a", "b"))
    done: list[int] = []
    told: list[str] = []
    cache = open_cache(dataset, "train", progress=done.append, announce=told.append)
    assert done[0] == 4
    assert "1 of 2 finished parts" in told[1]
    assert file.read_bytes() == expected
    assert cache.check() == []


def test_a_changed_pixel_is_not_trained_on_and_the_next_command_decodes_anew(dataset: Dataset) -> None:
    cache = open_cache(dataset, "train")
    file, expected = pixels_file(dataset), pixels_file(dataset).read_bytes()
    place = cache.rows[7]["degraded"]
    file.write_bytes(expected[:place] + bytes([expected[place] ^ 4]) + expected[place + 1 :])
    assert len(check_cache(dataset.folder / ".cache")) == 1
    cache = open_cache(dataset, "train")
    cache.pair(6)
    with pytest.raises(UserError, match=rf"{cache.key(7)}: the pixels of its degraded image .* run the same command"):
        cache.pair(7)
    again = open_cache(dataset, "train")
    again.pair(7)
    assert file.read_bytes() == expected
    assert check_cache(dataset.folder / ".cache") == []


def test_nothing_is_written_through_links(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (dataset.folder / ".cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"\.cache is a link"):
        open_cache(dataset, "train")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_cache_of_an_earlier_build_is_removed(tmp_path: Path) -> None:
    first = small_dataset(tmp_path / "one", seed=1)
    second = small_dataset(tmp_path / "two", seed=2)
    open_cache(Dataset(first), "train")
    open_cache(Dataset(first), "test")
    shutil.move(first / ".cache", second / ".cache")
    cache = open_cache(Dataset(second), "train")
    for number, pair in enumerate(Dataset(second).pairs("train")):
        assert np.array_equal(cache.degraded(number), pair.degraded)
    names = sorted(folder.name.split("-")[0] for folder in (second / ".cache").iterdir())
    assert names == ["test", "train"]


@pytest.mark.parametrize("damage", ["short pixels", "no pixels", "broken index", "index of another"])
def test_a_damaged_cache_is_made_again(damage: str, dataset: Dataset) -> None:
    open_cache(dataset, "train")
    file, expected = pixels_file(dataset), pixels_file(dataset).read_bytes()
    index = file.parent / "index.json"
    if damage == "short pixels":
        file.write_bytes(expected[:-1])
    elif damage == "no pixels":
        file.unlink()
    elif damage == "broken index":
        index.write_text("{")
    else:
        write_json(index, {**read_json(index, "index"), "digest": "0" * 64})
        file.write_bytes(bytes(len(expected)))
    open_cache(dataset, "train")
    assert file.read_bytes() == expected


def test_a_disk_without_room_is_refused_before_anything_is_decoded(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(UserError, match=r"needs 0\.00 GB on the disk of .*\.cache, where 0\.00 GB are free"):
        open_cache(dataset, "train")
    assert not list(dataset.folder.rglob("pixels.u8"))


def test_an_image_that_cannot_be_decoded_is_named_and_the_rest_is_kept(dataset: Dataset) -> None:
    broken: list[str] = []

    def cut(rows: list[dict[str, Any]]) -> None:
        rows[2]["degraded"]["bytes"] = rows[2]["degraded"]["bytes"][:60]
        rows[2]["degraded_sha256"] = sha256_bytes(rows[2]["degraded"]["bytes"])
        broken.append(rows[2]["key"])

    rewrite(dataset.folder, cut, shard=1)
    dataset = Dataset(dataset.folder)
    with pytest.raises(UserError, match=rf"{broken[0]}: .*; run bench verify"):
        open_cache(dataset, "train")
    folder = pixels_file(dataset).parent
    assert not (folder / "index.json").exists()
    assert [file.name for file in (folder / "done").iterdir()] == [f"{dataset.shards('train')[0].stem}-0"]


@pytest.mark.parametrize("damage", ["shard", "image", "image and shard"])
def test_shards_and_images_are_compared_with_their_digests_before_they_are_decoded(
    damage: str, dataset: Dataset
) -> None:
    shard = dataset.shards("train")[0]
    if damage == "shard":  # a word, which no digest of a row covers
        shard.write_bytes(shard.read_bytes().replace(b"jpeg-compressed", b"jpeg-comprexsed"))
    else:
        table = pq.read_table(shard)
        rows = table.to_pylist()
        rows[0]["clean"]["bytes"] = encode_png(np.zeros((24, 32, 3), np.uint8))
        if damage == "image and shard":
            rewrite(dataset.folder, lambda found: found.__setitem__(slice(None), rows))
            dataset = Dataset(dataset.folder)
        else:
            pq.write_table(type(table).from_pylist(rows, table.schema), shard)
    what = "clean image do not match" if damage == "image and shard" else "is not the file that its manifest describes"
    with pytest.raises(UserError, match=what):
        open_cache(dataset, "train")
    assert not list(dataset.folder.rglob("index.json"))


@pytest.mark.long
def test_killed_at_any_moment_and_three_at_once_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    data = make(tmp_path, repeat=30).folder
    script = Path(__file__).parents[2] / "made" / "cache_trials.py"
    done = subprocess.run([sys.executable, script, data, "8"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counted = re.search(r"8 trials, (\d+) kills, (\d+) states", done.stdout)
    assert counted is not None, done.stdout
    assert int(counted[1]) >= 4
    assert int(counted[2]) >= 2
