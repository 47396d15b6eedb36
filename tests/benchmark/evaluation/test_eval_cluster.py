"""An evaluation on a Ray cluster gives the numbers of one process, wherever it was interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eval_data import eval_dataset, small_weights

from benchmark.cli import main
from benchmark.dataset.folder import Dataset
from benchmark.evaluation.cluster import read_unit, units_of


def run(*arguments: object) -> int:
    """Run `bench eval` and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main(["eval", *(str(argument) for argument in arguments)])
    return int(stop.value.code or 0)


def numbers(boards: Path) -> Any:
    """Return what follows from images and weights alone, and the bytes of the rows."""
    folder = boards / "results" / "made"
    found = {file.name: file.read_bytes() for file in folder.glob("*.parquet")}
    values = {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
    for value in values.values():
        for name in ("command", "seal"):
            value.pop(name)
        for name in ("seconds_per_image", "peak_memory_bytes"):
            assert value["cost"].pop(name) > 0
    return found, values


def test_units_hold_every_image_that_is_left_once_and_in_order(tmp_path: Path) -> None:
    data = Dataset(eval_dataset(tmp_path / "data", rows=4))
    keys = [row["key"] for row in data.index("test")]
    assert [key for unit in units_of(data, (), size=2) for key in unit.keys] == keys
    left = [key for unit in units_of(data, keys[1:4]) for key in unit.keys]
    assert left == [keys[0], *keys[4:]]
    read = {pair.key: pair for unit in units_of(data, keys[:2]) for pair in read_unit(data, unit)}
    for pair in data.pairs("test", skip=keys[:2]):
        assert (read[pair.key].degraded == pair.degraded).all()
        assert (read[pair.key].clean == pair.clean).all()
    assert list(read) == keys[2:]


@pytest.mark.long
def test_a_cluster_gives_the_same_numbers_and_images(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    data = eval_dataset(tmp_path / "data", rows=4)
    weights = small_weights(tmp_path, "ir-sde")
    common = ("--data", data, "--network", "ir-sde", "--weights", weights, "--device", "cpu")
    both = ("--protocol", "daclip", "--protocol", "modern")
    for engine in ("local", "ray"):
        images = ("--save-images", tmp_path / engine / "images")
        assert run(*common, *both, *images, "--leaderboards", tmp_path / engine, "--engine", engine) == 0
    assert numbers(tmp_path / "ray") == numbers(tmp_path / "local")
    for file in (tmp_path / "local" / "images").rglob("*.png"):
        there = tmp_path / "ray" / file.relative_to(tmp_path / "local")
        assert there.read_bytes() == file.read_bytes()
