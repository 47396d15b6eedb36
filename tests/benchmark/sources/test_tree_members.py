"""Members of archives, and files of folders, that cannot be used: left out with a reason, the others stay."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_bytes import GOOD, odd_member, patched, tar_bytes, zip_bytes

from benchmark.sources.files.tree import Tree
from models.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


ESCAPING = ("../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "C:/x.png", "a\\..\\..\\x.png", "\\\\host\\x.png")


@pytest.mark.parametrize("write", [zip_bytes, lambda files: tar_bytes(files=files)], ids=["zip", "tar"])
@pytest.mark.parametrize("name", [*ESCAPING, "a/\n.png", f"{'a' * 256}.png"])
def test_a_name_that_no_honest_file_has_is_rejected(
    name: str, write: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    path = tmp_path / ("set.zip" if write is zip_bytes else "set.tar")
    path.write_bytes(write({name: b"evil"} | GOOD))
    tree = Tree.open([path], source="set")
    assert {e.text: e.read() for e in tree.entries} == GOOD
    assert os.listdir(tmp_path) == [path.name]
    assert not os.path.exists(tmp_path.parent / "x.png")
    assert not os.path.exists("/etc/x.png")
    assert len(tree.rejected) == 1
    assert tree.rejected[0].key.isprintable()
    assert "name" in tree.rejected[0].reason


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["tar", "tar.gz"])
def test_links_and_devices_of_a_tar_are_rejected(
    kind: bytes, word: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    (tmp_path / "set.tar").write_bytes(pack(tar_bytes(odd_member("data/odd.png", kind))))
    tree = Tree.open([tmp_path / "set.tar"], source="set")
    assert {e.text: e.read() for e in tree.entries} == GOOD
    assert [one.key for one in tree.rejected] == ["set.tar: data/odd.png"]
    assert word in tree.rejected[0].reason


def refused_zip(change: tuple[int, bytes]) -> bytes:
    return patched(zip_bytes({"odd.png": b"1"} | GOOD), "odd.png", central=change)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (refused_zip((8, b"\x01\x00")), "encrypted"),
        (refused_zip((24, struct.pack("<I", 3 << 30))), "3.0 GiB are more than the limit of 1 GiB"),
        (refused_zip((10, struct.pack("<H", 93))), "compression method 93"),
        (refused_zip((38, struct.pack("<I", 0o120777 << 16))), "symbolic link"),
        (zip_bytes({"odd.zip": b"PK"} | GOOD), "an archive inside an archive"),
    ],
    ids=["encrypted", "huge", "method", "link", "nested"],
)
def test_members_of_a_zip_that_cannot_be_used_are_rejected(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(data)
    tree = Tree.open([tmp_path / "set.zip"], source="set")
    assert {e.text: e.read() for e in tree.entries} == GOOD
    assert len(tree.rejected) == 1
    assert tree.rejected[0].key.startswith("set.zip: odd.")
    assert reason in tree.rejected[0].reason


def test_a_zip_that_says_less_than_it_holds_gives_no_more_than_it_says_and_an_error(tmp_path: Path) -> None:
    bomb = patched(
        zip_bytes({"bomb.png": bytes(50_000_000)} | GOOD),
        "bomb.png",
        central=(24, struct.pack("<I", 1000)),
        local=(22, struct.pack("<I", 1000)),
    )
    (tmp_path / "set.zip").write_bytes(bomb)
    tree = Tree.open([tmp_path / "set.zip"], source="set")
    (entry,) = tree.find("bomb.png")
    assert entry.size == 1000
    with pytest.raises(UserError, match=r"set.zip: bomb.png is damaged \(Bad CRC"):
        entry.read()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_a_zip_is_told_and_the_others_are_read(method: int, tmp_path: Path) -> None:
    data = bytearray(zip_bytes(GOOD, method))
    start = data.index(b"data/2.png") + len("data/2.png")
    data[start + 20 : start + 30] = b"\x5a" * 10
    (tmp_path / "set.zip").write_bytes(data)
    for entry in Tree.open([tmp_path / "set.zip"], source="set").entries:
        if entry.text == "data/2.png":
            with pytest.raises(UserError, match=r"^set.zip: data/2.png is damaged \("):
                entry.read()
        else:
            assert entry.read() == GOOD[entry.text]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_of_two_members_of_one_name_the_later_is_kept_as_unpacking_does(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"set{ending}"
    path.write_bytes(zip_bytes({"a.png": b"old"}) if ending == ".zip" else tar_bytes(files={"a.png": b"old"}))
    if ending == ".zip":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("a.png", b"newer")
    else:
        with tarfile.open(path, "a") as archive:
            info = tarfile.TarInfo("./a.png")
            info.size = 5
            archive.addfile(info, io.BytesIO(b"newer"))
    tree = Tree.open([path], source="set")
    assert [(e.text, e.read()) for e in tree.entries] == [("a.png", b"newer")]
    assert [one.key for one in tree.rejected] == [f"set{ending}: a.png"]


def test_names_that_are_not_utf_8_are_rejected_or_read_as_old_zips_mean_them(tmp_path: Path) -> None:
    odd = b"caf\xe9.png"
    (tmp_path / "set.tar").write_bytes(tar_bytes(odd_member(os.fsdecode(odd), tarfile.REGTYPE)))
    (tmp_path / "set.zip").write_bytes(zip_bytes({"cafe.png": b"1"}).replace(b"cafe", b"caf\x82"))
    (tmp_path / "mac.zip").write_bytes(zip_bytes({"cafXX.png": b"1"}).replace(b"cafXX", "café".encode()))
    (tmp_path / "folder").mkdir()
    (tmp_path / os.fsdecode(b"folder/" + odd)).write_bytes(b"1")
    tree = Tree.open([tmp_path], source="set")
    names = [e.text for e in tree.entries]
    assert [name for name in names if "caf" in name] == ["mac/café.png", "set/café.png"]
    assert [one.reason for one in tree.rejected] == ["its name is not UTF-8: rename it"] * 2
    assert all(one.key.isprintable() for one in tree.rejected)


def test_odd_things_in_a_folder_are_rejected_and_links_are_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "data").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "1.png").write_bytes(b"linked")
    (root / "linked").symlink_to(elsewhere)
    (root / "loop").symlink_to(root)
    (root / "broken.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(root / "pipe.png")
    with open(root / "huge.png", "wb") as handle:
        handle.truncate((1 << 30) + 1)
    deep = root / "a/b/c/deep.zip"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(zip_bytes())
    tree = Tree.open([root], source="set")
    assert [(e.text, e.read()) for e in tree.entries] == [("linked/1.png", b"linked")]
    reasons = {Path(one.key).name: one.reason for one in tree.rejected}
    assert sorted(reasons) == ["broken.png", "deep.zip", "huge.png", "loop", "pipe.png"]
    assert reasons["broken.png"] == "a link to a file that is not there"
    assert reasons["pipe.png"] == "it is a pipe, not a file"
