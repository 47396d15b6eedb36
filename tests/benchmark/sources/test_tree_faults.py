"""Broken, hostile and odd files among a source's: told in one sentence, never by a traceback."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from archive_bytes import GOOD, tar_bytes, zip_bytes

from benchmark.sources.files.tree import Tree
from models.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


STRIDE = 3584  # bytes of one member of the tar: its header and 3000 bytes in blocks
BAD_HEADER = tar_bytes()[:STRIDE] + b"\xff" * 512 + tar_bytes()[STRIDE + 512 :]

DAMAGED: dict[str, tuple[str, bytes, str]] = {
    "an empty file": ("set.zip", b"", "the file is empty"),
    "a web page": (
        "set.zip",
        b"\n<!DOCTYPE html><html>Quota exceeded",
        "it is a web page, saved in place of the archive",
    ),
    "a renamed rar": ("set.zip", b"Rar!\x1a\x07\x01\x00" + bytes(99), "no zip archive but a .rar: unpack it first"),
    "a zip without its directory": ("set.zip", zip_bytes()[:-200], "no readable zip archive"),
    "the first part of a zip": ("set.zip", zip_bytes()[:400], "no readable zip archive"),
    "a zip whose names are not the UTF-8 they claim": (
        "set.zip",
        zip_bytes({"é.png": b"1"}).replace("é".encode(), b"\xff\xfe"),
        "no readable zip archive",
    ),
    "an empty tar": ("set.tar", b"", "the file is empty"),
    "a tar that is none": ("set.tar", b"not a tar" * 400, "no readable tar archive"),
    "a tar cut inside a picture": ("set.tar", tar_bytes()[:-12_000], "no readable tar archive"),
    "a tar cut between two pictures": ("set.tar", tar_bytes()[: 2 * STRIDE], "cut off: the mark of its end is missing"),
    "a tar with a damaged header": ("set.tar", BAD_HEADER, "a damaged header, after 1 files"),
    "a compressed tar that is cut off": ("set.tar.gz", gzip.compress(tar_bytes())[:-30], "no readable tar.gz archive"),
    "a compressed tar with a wrong checksum": (
        "set.tgz",
        gzip.compress(tar_bytes())[:-8] + b"\x00" * 8,
        "no readable tar.gz archive .*CRC",
    ),
    "a compressed text": ("set.tar.gz", gzip.compress(b"some text" * 400), "no readable tar.gz archive"),
    **{
        f"an archive that ends in {ending}": (f"set{ending}", b"whatever", f"a {ending} archive cannot be read: unpack")
        for ending in (".rar", ".7z", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip.001")
    },
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_root_that_cannot_be_read_is_told_in_one_sentence(case: str, tmp_path: Path) -> None:
    name, data, message = DAMAGED[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message) as told:
        Tree.open([tmp_path / name], source="set")
    assert name in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("case", DAMAGED)
def test_an_archive_that_cannot_be_read_is_rejected_and_its_neighbours_stay(case: str, tmp_path: Path) -> None:
    name, data, message = DAMAGED[case]
    (tmp_path / name).write_bytes(data)
    (tmp_path / "good.zip").write_bytes(zip_bytes())
    tree = Tree.open([tmp_path], source="set")
    assert {e.text.removeprefix("good/"): e.read() for e in tree.entries} == GOOD
    assert [one.key for one in tree.rejected] == [f"{tmp_path.name}/{name}"]
    assert re.search(message, tree.rejected[0].reason)
    (tmp_path / "good.zip").unlink()
    with pytest.raises(UserError, match=f"nothing usable in .*{message}"):
        Tree.open([tmp_path], source="set")


def test_a_root_that_is_missing_or_no_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"source 'lol': .*gone.zip not found: .*--source lol=PATH"):
        Tree.open([tmp_path / "gone.zip"], source="lol")
    (tmp_path / "1.png").write_bytes(b"1")
    with pytest.raises(UserError, match=r"1.png is neither a folder nor an archive \(.zip .tar .tar.gz .tgz\)"):
        Tree.open([tmp_path / "1.png"], source="lol")


KINDS: dict[str, bytes] = {".zip": zip_bytes(), ".tar": tar_bytes(), ".tar.gz": gzip.compress(tar_bytes())}


@pytest.mark.parametrize("ending", KINDS)
def test_an_archive_that_vanishes_or_changes_after_the_listing_is_told_by_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"set{ending}"
    path.write_bytes(KINDS[ending])
    entry = Tree.open([path], source="set").entries[1]
    other = {f"data/{number}.png": bytes(7) for number in range(30)}
    path.write_bytes(
        {".zip": zip_bytes(other), ".tar": tar_bytes(files=other)}.get(ending) or gzip.compress(tar_bytes(files=other))
    )
    with pytest.raises(UserError, match=f"set{ending}: data/1.png is "):
        entry.read()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        entry.read()


def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "set.tar.gz").write_bytes(KINDS[".tar.gz"])
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"the cache folder .* cannot be written .*: set BENCH_CACHE"):
        Tree.open([tmp_path / "set.tar.gz"], source="set")
