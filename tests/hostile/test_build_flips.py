"""What a build keeps for later use, changed by one bit; and datasets of which files were lost or spoilt."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flipped_datasets import build, made_samples, photo
from trees import tree_digest
from trials import Tally, counts, flips, try_flips

from benchmark.building.run import build_dataset
from benchmark.sources.open import open_source
from benchmark.sources.samples import Sample
from models.errors import UserError


class Stopped(Exception):
    """Stands for the kill of a build."""


def stopped_build(samples: list[Sample], out: Path, *, after: int) -> None:
    """Build a dataset until some pairs are done."""

    def stop(done: int) -> None:
        if done >= after:
            raise Stopped

    with pytest.raises(Stopped):
        build(samples, out, progress=stop)


@pytest.mark.parametrize("file", ["train-00000-of-00002.parquet.json", "plan.json"])
@counts(5, 120)
def test_flips_in_an_unfinished_build_change_no_byte_of_the_dataset(file: str, tmp_path: Path, count: int) -> None:
    samples = made_samples(tmp_path / "images", "png")
    build(samples, tmp_path / "whole")
    clean = tree_digest(tmp_path / "whole")
    stopped_build(samples, tmp_path / "out", after=4)
    shutil.copytree(tmp_path / "out", tmp_path / "kept")

    def go_on() -> dict[str, str]:
        damaged = (tmp_path / "kept" / ".build" / file).read_bytes()
        shutil.rmtree(tmp_path / "out")
        shutil.copytree(tmp_path / "kept", tmp_path / "out")
        (tmp_path / "out" / ".build" / file).write_bytes(damaged)
        build(samples, tmp_path / "out")
        return tree_digest(tmp_path / "out")

    name = "the plan" if file == "plan.json" else "the report of a finished shard"
    with Tally(f"flips in {name} of a killed build") as tally:
        try_flips(tally, tmp_path / "kept" / ".build" / file, count, go_on, clean=clean)


@counts(6, 120)
def test_flips_in_a_finished_shard_of_an_unfinished_build_are_mended(tmp_path: Path, count: int) -> None:
    samples = made_samples(tmp_path / "images", "jpg")
    build(samples, tmp_path / "whole")
    clean = tree_digest(tmp_path / "whole")
    stopped_build(samples, tmp_path / "kept", after=4)
    (file,) = [path.name for path in (tmp_path / "kept" / "data").glob("train-00000-*.parquet")]
    with Tally("flips in a finished shard of a killed build") as tally:
        for place, changed in flips((tmp_path / "kept" / "data" / file).read_bytes(), count):
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            shutil.copytree(tmp_path / "kept", tmp_path / "out")
            (tmp_path / "out" / "data" / file).write_bytes(changed)
            build(samples, tmp_path / "out")
            tally.case(f"byte {place}", tree_digest(tmp_path / "out") == clean, "other bytes")


@pytest.mark.parametrize("ending", ["gzidx", "json"])
@counts(6, 120)
def test_flips_in_the_index_of_an_archive_change_no_pixel(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    with tarfile.open(tmp_path / "pairs.tar.gz", "w:gz") as archive:
        for sample in made_samples(tmp_path / "images", "png"):
            for image, role in ((sample.clean, "GT"), (sample.degraded, "LQ")):
                assert image is not None
                archive.add(image.files[0], f"{role}/{sample.key.rpartition('/')[2]}-{sample.split}.png")

    def listed() -> list[tuple[str, bytes, bytes]]:
        found = open_source("custom", [tmp_path / "pairs.tar.gz"], options={"degradation": "foggy"})
        pairs = [item for item in found if isinstance(item, Sample)]
        return [(s.key, s.clean.read(), s.degraded.read() if s.degraded else b"") for s in pairs]

    clean = listed()
    assert len(clean) == 8
    (file,) = (tmp_path / "cache" / "archives").glob(f"*.{ending}")
    whole = file.read_bytes()
    with Tally(f"flips in the {'index' if ending == 'gzidx' else 'listing'} of a compressed tar") as tally:
        for place, changed in flips(whole, count):
            _forget()
            file.write_bytes(changed)
            try:
                same = listed() == clean
            except UserError:
                same = True
            tally.case(f"byte {place}", same, "other pixels")
            file.write_bytes(whole)


def _forget() -> None:
    """Close the archives that this process holds open, as a new process would find them."""
    from benchmark.sources.files import gzip_tars

    gzip_tars._opened.cache_clear()


def lose(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip(file: Path) -> None:
    ((_, changed),) = flips(file.read_bytes(), 1)
    file.write_bytes(changed)


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"more")


SPOIL: tuple[Callable[[Path], None], ...] = (lose, cut, empty, flip, lengthen)


@counts(6, 30)
def test_a_rerun_mends_what_was_lost_or_spoilt_with_the_same_bytes(tmp_path: Path, count: int) -> None:
    samples = made_samples(tmp_path / "images", "jpg")
    build(samples, tmp_path / "out")
    clean = tree_digest(tmp_path / "out")
    names = sorted(name for name in clean if name.endswith(".parquet"))
    assert len(names) == 6
    with Tally("shards and captions lost or spoilt, made again") as tally:
        for number in range(count):
            name, spoil = names[number % len(names)], SPOIL[number // len(names) % len(SPOIL)]
            spoil(tmp_path / "out" / name)
            mended: list[str] = []
            build(samples, tmp_path / "out", mended=mended.append)
            same = tree_digest(tmp_path / "out") == clean and mended == [name]
            tally.case(f"{spoil.__name__} {name}", same, str(mended))
        shutil.rmtree(tmp_path / "out" / "data")
        shutil.rmtree(tmp_path / "out" / "sidecar")
        (tmp_path / "out" / "README.md").unlink()
        build(samples, tmp_path / "out")
        tally.case("all shards, captions and the card", tree_digest(tmp_path / "out") == clean)


@pytest.mark.parametrize("lost", [True, False])
def test_a_rerun_over_other_sources_says_so_and_changes_nothing(tmp_path: Path, lost: bool) -> None:
    samples = made_samples(tmp_path / "images", "png")
    build(samples, tmp_path / "out")
    if lost:
        next((tmp_path / "out" / "data").glob("train-00000-*")).unlink()
    kept = tree_digest(tmp_path / "out")
    file = samples[0].clean.files[0]
    other = photo(0, "png")
    assert file.read_bytes() == other
    file.write_bytes(bytes([*other[:-13], other[-13] ^ 1, *other[-12:]]))  # the same size; its checksum is wrong now
    with pytest.raises(UserError, match=r"not those that .* was built from"):
        build(samples, tmp_path / "out")
    assert tree_digest(tmp_path / "out") == kept


def test_a_rerun_over_a_whole_dataset_mends_nothing(tmp_path: Path) -> None:
    samples = made_samples(tmp_path / "images", "png")
    first = build(samples, tmp_path / "out")
    mended: list[str] = []
    assert build(samples, tmp_path / "out", mended=mended.append) == first
    assert not mended


def test_builds_of_equal_sources_in_different_folders_are_equal(tmp_path: Path) -> None:
    for place in ("one", "another/place"):
        made_samples(tmp_path / place / "set" / "GT", "png")
        made_samples(tmp_path / place / "set" / "LQ", "png")
        (tmp_path / place / "set" / "GT" / "train-0-clean.png").write_bytes(b"no image")
        (tmp_path / place / "set" / "LQ" / "train-1-clean.png").unlink()
        (tmp_path / place / "set" / "GT" / "lost.png").symlink_to(tmp_path / "nowhere")
        found = open_source("custom", [tmp_path / place / "set"], options={"degradation": "foggy"})
        pairs = [item for item in found if isinstance(item, Sample)]
        rejected = [item for item in found if not isinstance(item, Sample)]
        manifest = build_dataset(pairs, tmp_path / place / "out", recipe={}, rejected=rejected)
        assert len(manifest["quarantine"]) == 3
        assert str(tmp_path) not in (tmp_path / place / "out" / "manifest.json").read_text()
    assert tree_digest(tmp_path / "one" / "out") == tree_digest(tmp_path / "another" / "place" / "out")
