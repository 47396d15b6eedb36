"""A disk that is full, at any moment of a command: a sentence that names the file, and nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from processes import run
from small_datasets import small_dataset, write_captions
from trees import tree_digest
from trials import Tally, counts

from models.files import atomic_path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small dataset folder; the images that it was made of lie beside it."""
    folder = small_dataset(tmp_path_factory.mktemp("full") / "data", rows=3)
    write_captions(folder)
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nobody may mount a disk here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def commands(data: Path, out: Path) -> dict[str, list[object]]:
    """Return commands that write below a folder."""
    images = data.with_name("data-images")
    source = ["--source", f"custom={images}", "--spec", "noise(sigma=50)"]
    return {
        "build": ["build-dataset", *source, "--out", out / "built", "--workers", "0"],
        "build by workers": ["build-dataset", *source, "--out", out / "built", "--workers", "2"],
        "universal": ["export", data, out / "universal", "--layout", "universal"],
        "webdataset": ["export", data, out / "webdataset", "--layout", "webdataset"],
        "leaderboard": ["leaderboard", "--leaderboards", out / "boards"],
        "audit": ["verify", data, "--report", out / "report"],
    }


FULL = ("disk is full", "No space left", "make room")


def halves(folder: Path) -> list[str]:
    """Return the temporary files below a folder."""
    return [path.name for path in folder.rglob("*.partial") if path.is_file()]


@counts(1, 42)
def test_a_full_disk_ends_any_command_in_a_sentence_and_a_rerun_goes_on(data: Path, disk: Path, count: int) -> None:
    sizes = (0, 10, 30, 60, 90, 130, 200)  # thousands of bytes that are left
    whole = disk.with_name("whole")
    cases = [(name, left) for left in sizes for name in commands(data, disk)][:count]
    with Tally("full disks") as tally:
        for name, left in cases:
            filler = disk / "filler"
            filler.write_bytes(b"")
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            filler.write_bytes(b"\0" * max(0, free - left * 1000))
            done = run(*commands(data, disk)[name])
            told = done.returncode == 2 and "Traceback" not in done.stderr and any(word in done.stderr for word in FULL)
            fine = (told or done.returncode == 0) and not halves(disk)
            tally.case(f"{name}, {left} kB left", fine, f"{done.returncode}, {halves(disk)}: {done.stderr[-400:]}")
            filler.unlink()
            again = run(*commands(data, disk)[name])
            tally.case(f"{name} again", again.returncode == 0, f"{again.returncode}: {again.stderr[-400:]}")
            if not whole.exists():
                whole.mkdir()
            clean = run(*commands(data, whole)[name]) if not tree_digest(whole / place(name)) else None
            assert clean is None or clean.returncode == 0
            same = tree_digest(disk / place(name)) == tree_digest(whole / place(name))
            tally.case(f"{name} same bytes", same or name in ("audit", "universal"), "another tree")
            subprocess.run(["rm", "-rf", disk / place(name)], check=True)


def place(name: str) -> str:
    """Return the folder that a command writes."""
    return {"build": "built", "build by workers": "built", "leaderboard": "boards", "audit": "report"}.get(name, name)


def test_a_file_larger_than_allowed_is_named_and_no_part_of_it_stays(data: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))

    words: Sequence[object] = commands(data, tmp_path)["webdataset"]
    done = run(*words, before=limit)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "larger than the system allows" in done.stderr
    assert halves(tmp_path) == []


@pytest.mark.parametrize("number", [28, 122, 27, 30, 5])
def test_whoever_writes_into_the_place_of_a_file_has_its_name_in_the_error(tmp_path: Path, number: int) -> None:
    def write() -> None:
        with atomic_path(tmp_path / "file.bin") as partial:
            partial.write_bytes(b"a part")
            raise OSError(number, "no room")

    with pytest.raises(OSError, match="no room") as caught:
        write()
    assert caught.value.filename == str(tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []
