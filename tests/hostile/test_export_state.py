"""Flips in shards that are exported, in exported files, and in what an export remembers of itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from export_data import build, write
from kept_folders import put_back, state_of
from test_cache import make
from trials import Tally, counts, try_flips

from benchmark.dataset.folder import Dataset
from benchmark.export import LAYOUTS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small dataset with captions."""
    return build(tmp_path_factory.mktemp("export"), count=2)


def files_of(out: Path) -> dict[str, Any]:
    return {name: value for name, value in state_of(out).items() if not name.startswith(".lock")}


@counts(3, 110)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["plan", "unit", "record", "file"])
def test_flips_in_an_export_before_the_same_command_again(
    kind: str, layout: str, count: int, data: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write(data, out, layout)
    clean = files_of(out)
    last = sorted(path for path in out.rglob("*") if path.suffix in (".jpg", ".tar", ".csv"))[0]
    units = sorted(path for path in (out / ".export").iterdir() if path.name != "plan.json")
    file = {"plan": out / ".export" / "plan.json", "unit": units[0], "record": out / "export.json", "file": last}[kind]

    def attempt() -> dict[str, Any]:
        with put_back(out):
            write(data, out, layout)
            return files_of(out)

    with Tally(f"flips in the {kind} of an export to {layout}, exported again") as tally:
        try_flips(tally, file, count, attempt, clean=clean)


@counts(5, 110)
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_flips_in_a_shard_that_is_exported(kind: str, count: int, tmp_path: Path) -> None:
    dataset = make(tmp_path)
    shard = dataset.shards("train")[0 if kind == "jpeg" else -1]
    numbers = itertools.count()

    def attempt() -> dict[str, Any]:
        out = tmp_path / f"out-{next(numbers)}"
        write(Dataset(dataset.folder), out, "universal")
        return files_of(out)

    with Tally(f"flips in a shard of {kind}, exported to universal") as tally:
        try_flips(tally, shard, count, attempt, clean=attempt())


@counts(5, 110)
@pytest.mark.parametrize("layout", ["webdataset", "daclip-csv"])
def test_flips_in_a_shard_with_captions_that_is_exported(
    layout: str, count: int, data: Dataset, tmp_path: Path
) -> None:
    numbers = itertools.count()
    (shard,) = data.shards("test")

    def attempt() -> dict[str, Any]:
        out = tmp_path / f"out-{next(numbers)}"
        write(Dataset(data.folder), out, layout)
        return files_of(out)

    with Tally(f"flips in a shard, exported to {layout}") as tally:
        try_flips(tally, shard, count, attempt, clean=attempt())
