"""Sources that become others under an unchanged name, size and time: noticed, or read again."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flipped_datasets import build, photo
from trees import tree_digest
from trials import Tally, counts

from benchmark.sources.files.tree import Tree
from benchmark.sources.open import open_source
from benchmark.sources.samples import Sample, SourceChanged
from models.errors import UserError

Files = dict[str, bytes]


def tarred(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def gzipped(files: Files) -> bytes:
    return gzip.compress(tarred(files), compresslevel=0, mtime=0)


PACKED: dict[str, Callable[[Files], bytes]] = {"set.tar": tarred, "set.zip": zipped, "set.tar.gz": gzipped}


def images(seed: int, *, kind: str = "png") -> Files:
    """Return pairs of folders with images that all have one size in bytes, whatever the seed."""
    names = [f"{role}/{number}.{kind}" for role in ("GT", "LQ") for number in range(6)]
    return {name: _padded(photo(1000 * seed + place, kind)) for place, name in enumerate(names)}


def _padded(data: bytes) -> bytes:
    return data + bytes(9000 - len(data))


def swapped(files: Files) -> Files:
    """Return the same files in another order."""
    return dict(reversed(files.items()))


def renamed(files: Files) -> Files:
    """Return the contents under each other's names."""
    return dict(zip(files, reversed(files.values()), strict=True))


def renumbered(files: Files) -> Files:
    """Return the contents under new names of the same length."""
    return {name.replace("0.", "7."): data for name, data in files.items()}


def other(files: Files) -> Files:
    return images(2)


def touched(files: Files) -> Files:
    """Return the files with one byte behind the last image changed."""
    return {**files, "LQ/5.png": files["LQ/5.png"][:-1] + b"\x01"}


CHANGES: tuple[Callable[[Files], Files], ...] = (swapped, renamed, renumbered, other, touched)


def put(path: Path, data: bytes) -> None:
    """Write a file in place of another with its size and time."""
    state = path.stat() if path.exists() else None
    assert state is None or state.st_size == len(data)
    path.write_bytes(data)
    if state is not None:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def pack(place: Path, kind: str, files: Files) -> None:
    if kind == "folder":
        for file in place.rglob("*.png"):
            if str(file.relative_to(place / "set")) not in files:
                file.unlink()
        for name, data in files.items():
            (place / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            put(place / "set" / name, data)
    else:
        put(place / kind, PACKED[kind](files))


def where(place: Path, kind: str) -> Path:
    return place / ("set" if kind == "folder" else kind)


CASES = [(kind, change, again) for again in (False, True) for kind in ("folder", *PACKED) for change in CHANGES]


@counts(12, len(CASES))
def test_files_that_change_between_listing_and_reading_are_noticed_or_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    chosen = CASES if count == len(CASES) else [CASES[n] for n in np.linspace(0, len(CASES) - 1, count).astype(int)]
    with Tally("sources changed between listing and reading") as tally:
        for number, (kind, change, again) in enumerate(chosen):
            place = tmp_path / str(number)
            place.mkdir()
            pack(place, kind, images(1))
            tree = Tree.open([where(place, kind)], source="set")
            assert {entry.text: entry.read() for entry in tree.entries} == images(1)
            now = change(images(1))
            pack(place, kind, now)
            if again:
                tree = Tree.open([where(place, kind)], source="set")
            wrong = []
            for entry in tree.entries:
                try:
                    if entry.read() != now.get(entry.text):
                        wrong.append(entry.text)
                except (UserError, FileNotFoundError) as error:
                    if again:
                        wrong.append(f"{entry.text}: {error}")
            listed = not again or {entry.text for entry in tree.entries} == set(now)
            name = f"{kind} {change.__name__}{', listed again' if again else ''}"
            tally.case(name, listed and not wrong, f"{wrong[:3]}")


def samples_of(place: Path, kind: str) -> list[Sample]:
    found = open_source("custom", [where(place, kind)], options={"degradation": "foggy", "label": "set"})
    return [item for item in found if isinstance(item, Sample)]


class Stopped(Exception):
    """Stands for the kill of a build."""


@counts(4, 20)
def test_a_build_never_mixes_two_states_of_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    cases = [(kind, change, killed) for change in (other, renamed) for killed in (True, False) for kind in KINDS]
    cases += [(kind, touched, True) for kind in KINDS]
    with Tally("sources changed during a build, or between a killed build and the next") as tally:
        for number, (kind, change, killed) in enumerate(cases[:count]):
            place, name = tmp_path / str(number), f"{kind} {change.__name__}"
            place.mkdir()
            pack(place, kind, images(1))

            def spoil(done: int, *, kind: str = kind, change: Callable[[Files], Files] = change) -> None:
                if 3 <= done < 6:
                    pack(place, kind, change(images(1)))  # noqa: B023 - called before the next round
                    if killed:  # noqa: B023
                        raise Stopped

            try:
                build(samples_of(place, kind), place / "out", progress=spoil)
            except (Stopped, UserError):
                noticed = True
            else:
                noticed = False
            build(samples_of(place, kind), place / "out")
            build(samples_of(place, kind), place / "fresh")
            same = tree_digest(place / "out") == tree_digest(place / "fresh")
            tally.case(f"{name}{', killed' if killed else ''}", noticed and same, f"noticed {noticed}, same {same}")


KINDS = ("folder", *PACKED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_dataset_of_other_sources_is_not_taken_for_theirs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    pack(tmp_path, kind, images(1))
    build(samples_of(tmp_path, kind), tmp_path / "out")
    pack(tmp_path, kind, images(2))
    with pytest.raises(UserError, match="the sources are not those that"):
        build(samples_of(tmp_path, kind), tmp_path / "out")


def test_a_pipe_in_place_of_a_listed_file_is_not_waited_for(tmp_path: Path) -> None:
    pack(tmp_path, "folder", images(1))
    entry = Tree.open([tmp_path / "set"], source="set").entries[0]
    entry.files[0].unlink()
    os.mkfifo(entry.files[0])
    with pytest.raises(SourceChanged, match="is a pipe now"):
        entry.read()
