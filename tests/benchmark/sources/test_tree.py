"""Laws of a source's listing: folder, zip and tar are one and the same."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import random
import shutil
import tarfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from benchmark.sources.files.tree import Entry, Tree
from models.errors import UserError

Files = dict[str, bytes]

FILES: Files = {
    f"train/{scene}/{role}/{number}.{ending}": f"{scene}{role}{number}".encode() * (40 + number)
    for scene in ("GOPR0372_07_00", "GOPR0374_11_01")
    for role, ending in (("blur", "png"), ("sharp", "PNG"))
    for number in (1, 2, 10)
} | {"top.jpg": b"at the top", "readme.txt": b"words", "été/snow ✓.png": b"other letters"}

LEFT_OUT: Files = {
    "__MACOSX/train/._1.png": b"fork",
    "train/.hidden/1.png": b"no",
    "train/._1.png": b"fork",
    "Thumbs.db": b"windows",
    ".DS_Store": b"mac",
}

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "archives"


def make(target: Path, files: Files) -> Path:
    """Write the files as the folder or archive that the name of `target` asks for."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    elif target.suffix:
        with tarfile.open(target, "w:gz" if target.suffix in (".gz", ".tgz") else "w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    else:
        for name, data in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(data)
    return target


def facts(tree: Tree, mount: str = "") -> list[tuple[str, str, int, bytes]]:
    """Return what must be equal wherever the files lie: path below the mount, fingerprint, size and bytes."""
    return [(e.text.removeprefix(mount), e.fingerprint, e.size, e.read()) for e in tree.entries]


def paths(tree: Tree) -> list[str]:
    return [str(entry.path) for entry in tree.entries]


def read_all(entries: tuple[Entry, ...]) -> list[bytes]:
    return [entry.read() for entry in entries]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_lists_and_reads_as_the_folder_that_was_packed(ending: str, tmp_path: Path) -> None:
    folder = Tree.open([make(tmp_path / "set", FILES | LEFT_OUT)], source="set")
    assert {entry.text: entry.read() for entry in folder.entries} == FILES
    archive = Tree.open([make(tmp_path / "packed" / f"set{ending}", FILES | LEFT_OUT)], source="set")
    inside = Tree.open([tmp_path / "packed"], source="set")
    assert facts(archive) == facts(folder)
    assert facts(inside, "set/") == facts(folder)
    assert folder.rejected == archive.rejected == inside.rejected == ()
    assert archive.entries[0].name.startswith(f"set{ending}: ")


def test_entries_come_in_natural_order_part_by_part(tmp_path: Path) -> None:
    names = ["a/2.png", "a/10.png", "a/b/1.png", "a1/1.png", "a10/1.png", "x1.png", "x01.png", f"x{'9' * 200}.png"]
    tree = Tree.open([make(tmp_path / "set.zip", dict.fromkeys(random.Random(0).sample(names, 8), b"1"))], source="s")
    assert paths(tree) == ["a/2.png", "a/10.png", "a/b/1.png", "a1/1.png", "a10/1.png", "x01.png", "x1.png", names[-1]]


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_entries_are_read_in_a_process_that_knows_nothing_of_this_one(ending: str, tmp_path: Path, cache: Path) -> None:
    tree = Tree.open([make(tmp_path / f"set{ending}", FILES)], source="set")
    shutil.rmtree(cache, ignore_errors=True)  # as on another machine
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(read_all, tree.entries).result() == read_all(tree.entries)
    assert pickle.loads(pickle.dumps(tree.entries)) == tree.entries


def test_a_forked_process_and_its_parent_read_one_archive_at_once(tmp_path: Path) -> None:
    files = {f"{number}.png": random.Random(number).randbytes(20_000) for number in range(60)}
    roots = [make(tmp_path / f"{number}{ending}", files) for number, ending in enumerate(ENDINGS)]
    tree = Tree.open(roots, source="set")
    expected = read_all(tree.entries)
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("fork")) as pool:
        results = [pool.submit(read_all, tree.entries) for _ in range(3)]
        assert read_all(tree.entries) == expected
        assert all(result.result() == expected for result in results)


def test_the_index_of_a_compressed_tar_is_made_once_and_found_again(tmp_path: Path, cache: Path) -> None:
    archive = make(tmp_path / "set.tar.gz", FILES)
    first = Tree.open([archive], source="set")
    made = {file.name: file.stat().st_mtime_ns for file in cache.iterdir()}
    assert sorted(Path(name).suffix for name in made) == [".gzidx", ".json", ".lock"]
    again = Tree.open([archive], source="set")
    assert facts(again) == facts(first)
    assert {file.name: file.stat().st_mtime_ns for file in cache.iterdir()} == made


@pytest.mark.parametrize("harm", ["deleted", "cut", "overwritten", "listing deleted", "listing overwritten"])
def test_a_lost_or_damaged_index_is_made_anew(harm: str, tmp_path: Path, cache: Path) -> None:
    archive = make(tmp_path / "set.tar.gz", FILES)
    tree = Tree.open([archive], source="set")
    file = next(cache.glob("*.json" if "listing" in harm else "*.gzidx"))
    whole = file.read_bytes()
    if "deleted" in harm:
        file.unlink()
    else:
        file.write_bytes(whole[: len(whole) // 2] if harm == "cut" else bytes(len(whole)))
    assert {entry.text: entry.read() for entry in tree.entries} == FILES
    assert facts(Tree.open([archive], source="set")) == facts(tree)
    assert file.read_bytes() == whole


def test_two_processes_that_make_one_index_at_once_do_no_harm(tmp_path: Path, cache: Path) -> None:
    files = {f"{number}.png": random.Random(number).randbytes(100_000) for number in range(40)}
    tree = Tree.open([make(tmp_path / "set.tar.gz", files)], source="set")
    shutil.rmtree(cache)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for result in [pool.submit(read_all, tree.entries) for _ in range(2)]:
            assert result.result() == read_all(tree.entries)
    assert sorted(file.suffix for file in cache.iterdir()) == [".gzidx", ".json", ".lock"]


def test_what_a_killed_process_left_of_an_index_is_cleared_away(tmp_path: Path, cache: Path) -> None:
    archive = make(tmp_path / "set.tar.gz", FILES)
    Tree.open([archive], source="set")
    index = next(cache.glob("*.gzidx"))
    index.unlink()
    (cache / f".{index.name}.4711.partial").write_bytes(b"half an index")
    Tree.open([archive], source="set")
    assert sorted(file.suffix for file in cache.iterdir()) == [".gzidx", ".json", ".lock"]


def test_a_changed_archive_gets_an_index_of_its_own(tmp_path: Path) -> None:
    archive = make(tmp_path / "set.tar.gz", FILES)
    Tree.open([archive], source="set")
    make(archive, {"other/1.png": b"new"})
    assert [entry.read() for entry in Tree.open([archive], source="set").entries] == [b"new"]


def test_tars_are_recognised_by_what_they_hold(tmp_path: Path) -> None:
    make(tmp_path / "plain.tar", FILES).rename(tmp_path / "one.tar.gz")
    make(tmp_path / "packed.tar.gz", FILES).rename(tmp_path / "two.tar")
    for name in ("one.tar.gz", "two.tar"):
        assert {e.text: e.read() for e in Tree.open([tmp_path / name], source="set").entries} == FILES


def test_find_matches_whole_parts_at_the_end_of_the_path_in_any_case(tmp_path: Path) -> None:
    tree = Tree.open([make(tmp_path / "deep" / "set.zip", FILES).parent], source="set")
    found = [entry.text for entry in tree.find("TRAIN/*/blur/*.png")]
    assert found == [f"set/train/{s}/blur/{n}.png" for s in ("GOPR0372_07_00", "GOPR0374_11_01") for n in (1, 2, 10)]
    assert [e.text for e in tree.find("gopr0374*/sharp/1?.png")] == ["set/train/GOPR0374_11_01/sharp/10.PNG"]
    assert len(tree.find("*/*.[pj][np]g")) == len(tree.images()) == 14
    assert len(tree.find("top.jpg")) == len(tree.find("set/top.jpg")) == 1
    for nothing in ("lur/*", "*/set/top.jpg", "readme.txt", "blur", "train/*"):
        assert tree.find(nothing) == []


def test_several_roots_appear_side_by_side_under_the_names_that_tell_them_apart(tmp_path: Path) -> None:
    for name in ("a/train", "b/train.zip", "b/test_a.tar"):
        make(tmp_path / name, {"data/1.png": name.encode()})
    roots = [tmp_path / "a/train", tmp_path / "b/train.zip", tmp_path / "b/test_a.tar", tmp_path / "b/../b/train.zip"]
    tree = Tree.open(roots, source="raindrop")
    assert paths(tree) == ["a/train/data/1.png", "b/train/data/1.png", "test_a/data/1.png"]
    assert [e.read() for e in tree.find("train/data/*")] == [b"a/train", b"b/train.zip"]


def test_an_archive_beside_what_was_unpacked_from_it_counts_once(tmp_path: Path) -> None:
    for place in ("in place", "in a folder of its name"):
        raw = tmp_path / place
        make(raw / "set.zip", FILES)
        make(raw if place == "in place" else raw / "set", FILES)
        tree = Tree.open([raw], source="set")
        assert [e.name.startswith("set.zip") for e in tree.entries] == [False] * len(FILES)
        assert tree.rejected == ()
    both = Tree.open([raw / "set", raw / "set.zip"], source="set")
    assert {entry.text: entry.read() for entry in both.entries} == {f"set/{name}": data for name, data in FILES.items()}


def test_a_file_whose_unpacked_copy_was_cut_is_rejected_and_the_rest_stays(tmp_path: Path) -> None:
    make(tmp_path / "set.zip", FILES)
    make(tmp_path, FILES | {"top.jpg": b"at"})
    tree = Tree.open([tmp_path], source="set")
    assert set(paths(tree)) == set(FILES) - {"top.jpg"}
    assert sorted(one.key for one in tree.rejected) == sorted([f"{tmp_path.name}/top.jpg", "set.zip: top.jpg"])
    assert "10 bytes here but 2 in" in next(one for one in tree.rejected if one.key.startswith("set.zip")).reason


def test_equal_names_and_sizes_of_other_bytes_beside_an_archive_are_other_files(tmp_path: Path) -> None:
    make(tmp_path, {f"data/{number}.bmp": b"train%d" % number for number in range(3)})
    make(tmp_path / "test.zip", {f"data/{number}.bmp": b"test %d" % number for number in range(3)})
    tree = Tree.open([tmp_path], source="set")
    assert [e.read()[:5] for e in tree.entries] == [b"train"] * 3 + [b"test "] * 3


@pytest.mark.slow
def test_sixty_thousand_members_are_listed_and_found_in_seconds(tmp_path: Path) -> None:
    files = {f"train/scene{n // 100}/blur/{n:06d}.png": b"%d" % n * 50 for n in range(60_000)}
    for ending in (".zip", ".tar"):
        archive = make(tmp_path / f"set{ending}", files)
        start = time.perf_counter()
        tree = Tree.open([archive], source="set")
        assert time.perf_counter() - start < 15
        start = time.perf_counter()
        for _ in range(10):
            assert len(tree.find("train/*/blur/*.png")) == 60_000
        assert time.perf_counter() - start < 5
        assert len(pickle.dumps(tree.entries)) < 100 * 60_000


@pytest.mark.slow
def test_a_member_deep_inside_a_compressed_tar_is_read_without_unpacking_what_lies_before(tmp_path: Path) -> None:
    generator = random.Random(0)
    files = {f"{number}.png": generator.randbytes(150_000) + bytes(50_000) for number in range(600)}
    tree = Tree.open([make(tmp_path / "set.tar.gz", files)], source="set")
    tree.entries[0].read()
    start = time.perf_counter()
    for entry in generator.choices(tree.entries, k=100):
        assert entry.read() == files[entry.text]
    assert (time.perf_counter() - start) / 100 < 0.1


def test_no_root_and_a_root_inside_another_are_told(tmp_path: Path) -> None:
    make(tmp_path / "set", FILES)
    with pytest.raises(UserError, match="source 'lol' needs its files: --source lol=PATH"):
        Tree.open([], source="lol")
    with pytest.raises(UserError, match=r"lies inside .*: name only one of them"):
        Tree.open([tmp_path, tmp_path / "set"], source="lol")


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "set", FILES)
    monkeypatch.setitem(os.environ, "HOME", str(tmp_path))
    assert len(Tree.open([Path("~/set")], source="set").entries) == len(FILES)
