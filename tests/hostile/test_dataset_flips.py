"""One bit of a dataset changed: what reads it gets what was written, or says that it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flipped_datasets import build, made_samples, read_all
from trials import Tally, bench, counts, flips, try_flips

from benchmark.dataset.folder import Dataset
from models.files import read_json, write_json


@pytest.fixture(scope="module", params=["png", "jpg"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp(request.param)
    build(made_samples(place / "images", request.param), place / "data")
    return place / "data"


def shard(data: Path) -> Path:
    return sorted((data / "data").glob("test-*.parquet"))[0]


@counts(6, 150)
def test_flips_in_a_shard_give_the_same_images_or_a_sentence(data: Path, count: int) -> None:
    with Tally(f"flips in a shard of {data.parent.name[:3]} images, read") as tally:
        try_flips(tally, shard(data), count, lambda: read_all(data), clean=read_all(data))


@counts(3, 100)
def test_flips_in_a_shard_of_an_earlier_version_give_the_same_images_or_a_sentence(data: Path, count: int) -> None:
    whole = (data / "manifest.json").read_bytes()
    manifest = read_json(data / "manifest.json", "manifest")
    del manifest["seal"]
    for facts in manifest["shards"]:
        del facts["columns"]
    write_json(data / "manifest.json", manifest)
    try:
        with Tally(f"flips in a shard of {data.parent.name[:3]} images without a seal, read") as tally:
            try_flips(tally, shard(data), count, lambda: read_all(data), clean=read_all(data))
    finally:
        (data / "manifest.json").write_bytes(whole)


@counts(2, 100)
def test_flips_in_a_shard_fail_the_audit(data: Path, tmp_path: Path, count: int) -> None:
    def audit() -> int | None:
        return bench("verify", data, "--workers", 0, "--report", tmp_path / "report").code

    assert audit() == 0
    whole = shard(data).read_bytes()
    with Tally(f"flips in a shard of {data.parent.name[:3]} images, audited") as tally:
        try:
            for place, changed in flips(whole, count):
                shard(data).write_bytes(changed)
                tally.case(f"byte {place}", audit() == 1, "the audit found nothing")
        finally:
            shard(data).write_bytes(whole)


@counts(2, 100)
def test_flips_in_a_shard_give_the_same_scores_or_a_sentence(data: Path, tmp_path: Path, count: int) -> None:
    number = 0

    def evaluate() -> Any:
        nonlocal number
        number += 1
        boards = tmp_path / str(number)
        ended = bench("eval", "--data", data, "--network", "input", "--protocol", "daclip", "--leaderboards", boards)
        if ended.code != 0:
            return ended
        (found,) = (boards / "results").rglob("*.json")
        return json.loads(found.read_text())["metrics"]

    with Tally(f"flips in a shard of {data.parent.name[:3]} images, evaluated") as tally:
        try_flips(tally, shard(data), count, evaluate, clean=evaluate())


@counts(10, 300)
def test_flips_in_a_manifest_are_told(data: Path, count: int) -> None:
    clean = read_all(data)
    with Tally(f"flips in a manifest of {data.parent.name[:3]} images") as tally:
        try_flips(tally, data / "manifest.json", count, lambda: read_all(data), clean=clean)


@counts(3, 100)
def test_flips_in_captions_that_came_along_fail_the_audit(data: Path, tmp_path: Path, count: int) -> None:
    file = data / "sidecar" / "test.parquet"
    whole = file.read_bytes()
    with Tally(f"flips in captions of {data.parent.name[:3]} images that came along, audited") as tally:
        try:
            for place, changed in flips(whole, count):
                file.write_bytes(changed)
                ended = bench("verify", data, "--workers", 0, "--report", tmp_path / "report")
                tally.case(f"byte {place}", ended.code == 1, ended.err)
        finally:
            file.write_bytes(whole)


def test_a_manifest_without_a_seal_opens_while_it_is_one_of_an_earlier_version(tmp_path: Path) -> None:
    build(made_samples(tmp_path / "images", "png"), tmp_path / "data")
    manifest = read_json(tmp_path / "data" / "manifest.json", "manifest")
    clean = [pair.degraded.tobytes() for pair in Dataset(tmp_path / "data").pairs("test")]
    del manifest["seal"]
    write_json(tmp_path / "data" / "manifest.json", manifest)
    assert bench("verify", tmp_path / "data").refused
    for facts in manifest["shards"]:
        del facts["columns"]
    write_json(tmp_path / "data" / "manifest.json", manifest)
    assert [pair.degraded.tobytes() for pair in Dataset(tmp_path / "data").pairs("test")] == clean
