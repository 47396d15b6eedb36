"""Flips in captions, at every place where they are kept, and through every command that reads them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from export_data import build, write
from kept_folders import put_back, state_of
from small_splits import Counting, pictures, texts_for, write_splits
from trials import Ended, Tally, bench, counts, try_flips

from benchmark.dataset.folder import Dataset, captions_digest
from captioning import run
from captioning.captioners.sidecar import SidecarCaptioner
from captioning.plan import Split
from captioning.run import caption_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset with captions in use."""
    return build(tmp_path_factory.mktemp("captions"), count=3).folder


def again(splits: dict[str, Split], out: Path) -> dict[str, Any]:
    """Caption again with the same captioner; return all that lies in the folder then, Parquet files by their rows."""
    caption_dataset(splits, SidecarCaptioner(texts_for(pictures(13))), out, pixels=False)
    rows = {path.relative_to(out).as_posix(): pq.read_table(path).to_pylist() for path in out.rglob("*.parquet")}
    return {**state_of(out), **rows}


@counts(6, 120)
@pytest.mark.parametrize("name", ["set", "copy", "current.json", "part"])
def test_flips_before_the_same_command_again(
    name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "UNIT", 4)
    splits = write_splits(tmp_path / "data", pictures(13))
    out = tmp_path / "captions"
    if name == "part":
        with pytest.raises(KeyboardInterrupt):
            caption_dataset(splits, Counting(texts_for(pictures(13)), fail_after=9), out, pixels=True, batch_size=3)
        (file, *_) = sorted(out.rglob(".*/*.json"))
        clean = again(splits, tmp_path / "whole")
    else:
        clean = again(splits, out)
        (folder,) = (path for path in out.iterdir() if path.is_dir())
        file = {"set": folder / "train.parquet", "copy": out / "train.parquet"}.get(name, out / name)

    def attempt() -> dict[str, Any]:
        with put_back(out):
            return again(splits, out)

    with Tally(f"flips in the {name} of captions, captioned again") as tally:
        try_flips(tally, file, count, attempt, clean=clean)


def pairs_and_captions(data: Path, out: Path) -> Any:
    """What a training of DA-CLIP reads."""
    dataset = Dataset(data)
    return [captions_digest(dataset, split) for split in dataset.manifest["splits"]]


def checked(data: Path, out: Path) -> Any:
    """What `bench check-captions` finds."""
    with put_back(data / "captions"):
        ended = bench("check-captions", data)
        report = data / "captions" / "report"
        return ended if ended.code else {path.name: path.read_bytes() for path in report.glob("*.parquet")}


def exported(layout: str) -> Callable[[Path, Path], Any]:
    def attempt(data: Path, out: Path) -> Any:
        write(Dataset(data), out, layout)
        files = state_of(out)
        return {name: files[name] for name in files if not name.startswith((".", "export.json"))}

    return attempt


READERS = {
    "training": pairs_and_captions,
    "check-captions": checked,
    "daclip-csv": exported("daclip-csv"),
    "webdataset": exported("webdataset"),
}


@counts(4, 110)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["train.parquet", "current.json"])
def test_flips_in_captions_in_use(name: str, reader: str, count: int, data: Path, tmp_path: Path) -> None:
    numbers = itertools.count()

    def attempt() -> Any:
        return READERS[reader](data, tmp_path / str(next(numbers)))

    file = data / "captions" / name
    clean = attempt()
    assert not isinstance(clean, Ended)
    with Tally(f"flips in {name} of captions in use, {reader}") as tally:
        try_flips(tally, file, count, attempt, clean=clean)
