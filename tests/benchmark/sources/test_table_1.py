"""All twelve published sets in their real layouts and full numbers, found, listed and built: Table 1 comes out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from archives_maker import FULL, MAKERS, TINY, Archives, make_downloads, pack, unpack

from benchmark.sources import SOURCES
from benchmark.sources.counts import TABLE_1, count_samples, differences
from benchmark.sources.open import find_sources, open_source
from benchmark.sources.samples import Rejected, Sample
from models.errors import UserError
from models.files import read_json

LAYOUTS = ("as downloaded", "one folder up", "unpacked by name", "a folder for each source", "unpacked as it comes")


def lay_out(layout: str, name: str, archives: Archives, raw: Path) -> None:
    """Put the archives of one source into a folder of downloads in one of the ways in which users do."""
    for archive, files in archives.items():
        file = Path(archive)
        if layout == "as downloaded":
            pack(files, raw / file)
        elif layout == "one folder up":
            pack(files, raw / ("RainDrop" if name == "raindrop" else f"my {name}") / file.name)
        elif layout == "unpacked by name":
            unpack(files, raw / file.parent / file.name.split(".")[0])
        elif layout == "a folder for each source":
            pack(files, raw / name / file.name)
        else:
            unpack(files, raw)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_set_is_found_in_a_folder_of_downloads(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    raw = tmp_path / "raw"
    for name, (train, test) in TINY.items():
        lay_out(layout, name, MAKERS[name](train, test), raw)
    found = find_sources(raw)
    assert [name for name, _ in found] == list(MAKERS)
    for name, paths in found:
        items = open_source(name, paths)
        assert [item for item in items if isinstance(item, Rejected)] == []
        assert len(items) == len(SOURCES[name].degradations) * sum(TINY[name])


def test_an_archive_beside_what_was_unpacked_from_it_counts_once(tmp_path: Path) -> None:
    archives = MAKERS["lol"](9, 4)
    pack(archives["LOLdataset.zip"], tmp_path / "LOLdataset.zip")
    unpack(archives["LOLdataset.zip"], tmp_path / "LOLdataset")
    ((name, paths),) = find_sources(tmp_path)
    items = open_source(name, paths)
    assert len(items) == 13
    assert all(isinstance(item, Sample) for item in items)


def test_a_source_that_is_not_there_is_not_returned_and_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    pack(MAKERS["lol"](2, 1)["LOLdataset.zip"], tmp_path / "raw" / "LOLdataset.zip")
    pack({"a.png": b""}, tmp_path / "raw" / "train.zip")  # not the RainDrop archive of this name
    assert [name for name, _ in find_sources(tmp_path / "raw")] == ["lol"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="nor any of the published sets"):
        find_sources(tmp_path / "empty")
    with pytest.raises(UserError, match="folder not found"):
        find_sources(tmp_path / "nowhere")


def test_the_authors_layout_is_taken_as_a_whole(tmp_path: Path) -> None:
    unpack({"val/hazy/LQ/a.png": b"", "val/hazy/GT/a.png": b""}, tmp_path)
    assert find_sources(tmp_path) == [("universal", [tmp_path])]


@pytest.mark.slow
def test_the_full_sets_give_table_1_to_the_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    raw = make_downloads(tmp_path / "raw", FULL)
    samples: list[Sample] = []
    for name, paths in find_sources(raw):
        items = open_source(name, paths)
        samples += [item for item in items if isinstance(item, Sample)]
        assert all(isinstance(item, Sample) for item in items), name
    assert differences(samples, list(MAKERS)) == []
    counts = count_samples(samples)
    assert sum(n for (_, _, split), n in counts.items() if split == "train") == 52_801
    assert sum(n for (_, _, split), n in counts.items() if split == "test") == 3_490

    out = tmp_path / "dataset"
    bench = str(Path(sys.executable).with_name("bench"))
    options = ["--preset", "universal", "--raw", str(raw), "--out", str(out), "--strict", "--workers", "2"]
    ran = subprocess.run(
        [bench, "build-dataset", *options],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "120"},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    printed = {}
    for line in ran.stdout.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃|]", line)[1:-1]]
        if len(cells) == 7 and cells[2].replace(",", "").isdigit():
            printed[cells[0]] = [int(cell.replace(",", "")) for cell in cells[2:6]]
    expected = {word: [row.train, row.train, row.test, row.test] for word, row in TABLE_1.items()}
    assert printed == expected | {"total": [52_801, 52_801, 3_490, 3_490]}
    manifest = read_json(out / "manifest.json", "manifest")
    assert manifest["quarantine"] == []
    for split in ("train", "test"):
        cells = {word: getattr(row, split) for word, row in TABLE_1.items()}
        assert manifest["splits"][split]["counts"] == cells
        assert manifest["splits"][split]["rows"] == sum(cells.values())
