"""Exports that are stopped, killed, repeated, or pointed at the wrong folder."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from export_data import TYPES, build, run, write

from benchmark.dataset.folder import Dataset
from benchmark.export import LAYOUTS
from models.errors import UserError
from models.files import sha256_file, single_writer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small dataset with captions."""
    return build(tmp_path_factory.mktemp("export"))


def content(folder: Path) -> dict[str, str]:
    """Return the digest of every file, the lock left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_stopped_anywhere_continues_to_the_same_bytes(layout: str, data: Dataset, tmp_path: Path) -> None:
    record = write(data, tmp_path / "whole", layout)
    expected = content(tmp_path / "whole")
    assert record["files"] == len([name for name in expected if not name.startswith(".export/")]) - 1  # export.json
    stops = 0

    def stop(done: int) -> None:
        if random.Random(f"{stops}-{done}").random() < 0.4:
            raise KeyboardInterrupt

    while True:
        try:
            write(data, tmp_path / "cut", layout, stop)
            break
        except KeyboardInterrupt:
            stops += 1
            assert not (tmp_path / "cut" / "export.json").exists()
    assert stops > 0
    assert content(tmp_path / "cut") == expected
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").rglob("*.*g")}
    victim = next(iter(sorted(p for p in (tmp_path / "cut").rglob("*") if p.suffix in (".jpg", ".csv", ".tar"))))
    victim.write_bytes(b"")
    write(data, tmp_path / "cut", layout)
    assert content(tmp_path / "cut") == expected
    if layout != "universal":
        assert times == {path: path.stat().st_mtime_ns for path in times}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_foreign_files_other_writers_and_full_disks_are_refused(
    layout: str, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"already holds other files \(mine.txt\)"):
        write(data, out, layout)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    with single_writer(out), pytest.raises(UserError, match="another process is writing"):
        write(data, out, layout)
    full = shutil.disk_usage(out)._replace(free=100)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: full)
        with pytest.raises(UserError, match="make room or choose"):
            write(data, out, layout)
    write(data, out, layout)
    other = "webdataset" if layout == "universal" else "universal"
    with pytest.raises(UserError, match="holds an export with another layout"):
        write(data, out, other)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        write(data, tmp_path / "file", layout)


def test_caption_files_appear_once_there_are_captions(data: Dataset, tmp_path: Path, capsys: Any) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(data.folder, bare, ignore=shutil.ignore_patterns("captions"))
    assert run("export", str(bare), str(tmp_path / "out"), "--layout", "universal") == 0
    assert "no captions yet" in capsys.readouterr().out
    assert not list((tmp_path / "out").glob("*.csv"))
    for layout in ("daclip-csv", "webdataset"):
        assert run("export", str(bare), str(tmp_path / layout), "--layout", layout) == 2
        assert not (tmp_path / layout).exists()
    assert "has no captions to export" in capsys.readouterr().err
    shutil.copytree(data.folder / "captions", bare / "captions")
    assert run("export", str(bare), str(tmp_path / "out"), "--layout", "universal") == 0
    frame = pd.read_csv(tmp_path / "out" / "daclip_val.csv", sep="\t")
    assert len(frame) == 3 * len(TYPES)
    assert all(Path(path).is_file() for path in frame["filepath"])


def test_captions_that_changed_are_written_anew_and_images_are_left(data: Dataset, tmp_path: Path) -> None:
    copy, out = tmp_path / "copy", tmp_path / "out"
    shutil.copytree(data.folder, copy)
    write(Dataset(copy), out, "universal")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    file = copy / "captions" / "test.parquet"
    table = pq.read_table(file)
    texts = [f"new: {word}" for word in table["degradation"].to_pylist()]
    for name, values in (("caption", ["new"] * len(table)), ("text", texts)):
        table = table.set_column(table.column_names.index(name), name, [values])
    pq.write_table(table, file)
    with pytest.raises(UserError, match="was changed after it was written"):
        write(Dataset(copy), out, "universal")
    pq.write_table(table.replace_schema_metadata(None), file)  # as another program writes them
    write(Dataset(copy), out, "universal")
    assert set(pd.read_csv(out / "daclip_val.csv", sep="\t")["title"]) == set(texts)
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rerun_writes_changed_files_anew_and_no_others(
    layout: str, data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    write(data, out, layout)
    expected = content(out)
    exported = [path for path in out.rglob("*") if path.is_file() and path.suffix in (".jpg", ".png", ".csv", ".tar")]
    times = {path: path.stat().st_mtime_ns for path in exported}
    write(data, out, layout)
    assert not caplog.records
    assert times == {path: path.stat().st_mtime_ns for path in exported}
    victim = sorted(exported)[-1]
    changed = bytearray(victim.read_bytes())
    changed[len(changed) // 2] ^= 1  # of the same size
    victim.write_bytes(changed)
    write(data, out, layout)
    assert [f"{victim} was changed after it was exported" in record.getMessage() for record in caplog.records] == [True]
    assert content(out) == expected


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_killed_at_random_moments_the_same_command_ends_with_the_same_bytes(layout: str, tmp_path: Path) -> None:
    build(tmp_path, count=400)
    code = (
        f"from benchmark.cli import main; main(['export', {str(tmp_path / 'data')!r}, {{!r}}, '--layout', {layout!r}, "
    )
    code += "'--dataroot', 'root', '--shard-size', '64'])"
    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code.format(whole)], check=True, capture_output=True)
    usual = time.monotonic() - started
    chance = random.Random(4)
    killed = 0
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", code.format(cut)], stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.3, 1.0) * usual)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    subprocess.run([sys.executable, "-c", code.format(cut)], check=True, capture_output=True)
    assert killed > 0
    assert content(Path(cut)) == content(Path(whole))
