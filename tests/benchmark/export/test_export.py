"""Exports: other programs read them as they expect, and nothing is lost on the way there and back."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from export_data import TYPES, build, run, write
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.dataset.folder import Dataset
from benchmark.export.names import file_stems
from benchmark.export.webdataset import pattern
from captioning.titles import render_titles
from models.files import sha256_bytes, sha256_file


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small dataset with captions."""
    return build(tmp_path_factory.mktemp("export"))


def pairs_of(data: Dataset) -> dict[tuple[str, str], list[tuple[str, str, tuple[str, ...]]]]:
    """Return digests and words of the pairs of each split and type, in order."""
    found: dict[tuple[str, str], list[tuple[str, str, tuple[str, ...]]]] = {}
    for split in data.manifest["splits"]:
        for row in data.index(split):
            words = tuple(row["degradations"])
            pair = (row["degraded_sha256"], row["clean_sha256"], words)
            found.setdefault((split, row["degradation"]), []).append(pair)
    return found


def texts_of(data: Dataset) -> dict[str, set[str]]:
    """Return the texts of the pairs by digest of the degraded image."""
    told: dict[str, set[str]] = {}
    for split in data.manifest["splits"]:
        for row, caption in zip(data.index(split), data.captions(split), strict=True):
            told.setdefault(row["degraded_sha256"], set()).add(caption["text"])
    return told


def test_the_official_loader_pairs_the_files_by_sorting_their_paths(data: Dataset, tmp_path: Path) -> None:
    write(data, tmp_path / "out", "universal")
    for (split, word), pairs in pairs_of(data).items():
        folder = tmp_path / "out" / {"train": "train", "test": "val"}[split] / word
        degraded, clean = (sorted(str(path) for path in (folder / role).iterdir()) for role in ("LQ", "GT"))
        assert [Path(path).stem for path in degraded] == [Path(path).stem for path in clean]
        seen = [(sha256_file(Path(d)), sha256_file(Path(c))) for d, c in zip(degraded, clean, strict=True)]
        assert seen == [pair[:2] for pair in pairs]


def test_what_is_exported_comes_back_as_the_same_pairs_and_captions(data: Dataset, tmp_path: Path) -> None:
    out, back = tmp_path / "out", tmp_path / "back"
    assert run("export", str(data.folder), str(out), "--layout", "universal") == 0
    assert run("build-dataset", "--source", f"universal={out}", "--out", str(back), "--workers", "0") == 0
    assert run("caption", str(back), "--captioner", "sidecar") == 0
    assert pairs_of(Dataset(back)) == pairs_of(data)
    assert texts_of(Dataset(back)) == texts_of(data)
    assert any(text.endswith(": blur, jpeg block") for texts in texts_of(data).values() for text in texts)


STEMS = st.lists(st.text("ab1290-._ é/", min_size=1, max_size=6), min_size=1, max_size=30, unique=True)


@given(STEMS, st.randoms(use_true_random=False))
def test_names_sort_as_the_dataset_whatever_their_endings(names: list[str], chance: random.Random) -> None:
    stems = file_stems([{"key": f"s/train/noisy/{name}"} for name in names])
    assert len({stem.casefold() for stem in stems}) == len(names)
    for _ in range(2):
        files = [f"{stem}.{chance.choice(('jpg', 'png', 'PNG'))}" for stem in stems]
        assert sorted(files) == files
        assert all(Path(file).name == file and Path(file).stem == stem for file, stem in zip(files, stems, strict=True))


def test_names_stay_as_they_are_where_that_is_in_order_and_get_zeros_else() -> None:
    def stems(*keys: str) -> list[str]:
        return file_stems([{"key": key} for key in keys])

    assert stems("s/train/noisy/0001", "s/train/noisy/0002") == ["0001", "0002"]
    assert stems("s/train/noisy/im-9", "s/train/noisy/im-10") == ["im-09", "im-10"]
    assert stems("a/train/noisy/1", "b/train/noisy/1") == ["a_train_noisy_1", "b_train_noisy_1"]
    assert stems("s/test/x/b", "s/test/x/a") == ["1_b", "2_a"]
    assert stems("g/test/x/run_7/2", "g/test/x/run_11/2") == ["run_07_2", "run_11_2"]


def test_caption_files_are_grouped_by_type_and_read_back_by_the_csv_captioner(data: Dataset, tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    assert run("export", str(data.folder), str(out), "--layout", "daclip-csv", "--dataroot", "datasets/universal") == 0
    assert sorted(path.name for path in out.iterdir() if path.suffix == ".csv") == [
        "daclip_train.csv",
        "daclip_val.csv",
    ]
    frame = pd.read_csv(out / "daclip_train.csv", sep="\t", keep_default_na=False)
    assert list(frame.columns) == ["filepath", "title"]
    folders = [path.rpartition("/")[0] for path in frame["filepath"]]
    assert [folder for folder, _ in itertools.groupby(folders)] == [f"datasets/universal/train/{w}/LQ" for w in TYPES]
    captions = [row["text"] for row in data.captions("train")]
    assert sorted(frame["title"]) == sorted(captions)
    shutil.copytree(data.folder, again, ignore=shutil.ignore_patterns("captions"))
    assert run("caption", str(again), "--captioner", f"csv:{out}") == 0
    for split in ("train", "test"):
        mine, theirs = Dataset(again).captions(split), data.captions(split)
        assert [(r["key"], r["caption"], r["text"]) for r in mine] == [
            (r["key"], r["caption"], r["text"]) for r in theirs
        ]
        assert {row["captioner"] for row in mine} == {"csv"}


def test_exported_images_have_the_mode_of_all_files(data: Dataset, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(data, tmp_path / "out", "universal")
    finally:
        os.umask(before)
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*.*") if path.is_file()}
    assert modes == dict.fromkeys((".png", ".jpg", ".csv", ".json", ""), 0o640)  # the lock has no ending


def test_any_caption_comes_back_in_pandas_as_the_authors_read_it() -> None:
    odd = [
        "=cmd()|' /C calc'!A0",
        "+1",
        "@x",
        'a "q" b',
        "tab\there",
        "line\nbreak",
        "cr\rhere",
        "nul\0x",
        "\u202ebidi",
    ]
    odd += ["\x1b[31m", " lead", "trail ", "NA", "1.0", "\u2028sep", "\ufeffbom", "\x85nel", "", ": :", "'", '"', "\\"]
    data = render_titles([(f"a/train/rainy/LQ/{n}.png", caption, "rainy") for n, caption in enumerate(odd)])
    assert pd.read_csv(io.BytesIO(data), sep="\t")["title"].tolist() == [f"{caption}: rainy" for caption in odd]


def samples_of(file: Path) -> list[dict[str, bytes]]:
    """Read a tar file as WebDataset does: neighbours with the same name up to the first dot are one sample."""
    samples: list[dict[str, bytes]] = []
    with tarfile.open(file) as tar:
        for member in tar:
            assert member.isreg()
            key, _, suffix = member.name.partition(".")
            if not samples or samples[-1]["__key__"] != key.encode():
                samples.append({"__key__": key.encode()})
            handle = tar.extractfile(member)
            assert handle is not None
            assert suffix not in samples[-1]
            samples[-1][suffix] = handle.read()
    return samples


def test_tar_shards_hold_every_pair_once_in_the_form_of_open_clips_trainer(data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(data, out, "webdataset", shard_size=7)
    sizes = json.loads((out / "sizes.json").read_text())
    assert sorted(sizes) == sorted(path.name for path in out.glob("*.tar"))
    for split in ("train", "test"):
        files = sorted(out.glob(f"{split}-*.tar"))
        samples = [sample for file in files for sample in samples_of(file)]
        assert [sizes[file.name] for file in files] == [len(samples_of(file)) for file in files]
        assert [sizes[file.name] for file in files[:-1]] == [7] * (len(files) - 1)
        keys = [sample["__key__"].decode() for sample in samples]
        assert keys == sorted(set(keys))
        assert not any(mark in key for key in keys for mark in "./ ")
        told = {row["key"]: row for row in data.captions(split)}
        rows = {row["key"]: row for row in data.index(split)}
        for sample in samples:
            assert set(sample) in ({"__key__", "txt", "json", "png"}, {"__key__", "txt", "json", "jpg"})
            facts = json.loads(sample["json"])
            image = sample.get("png") or sample["jpg"]
            assert sha256_bytes(image) == rows[facts["key"]]["degraded_sha256"]
            assert Image.open(io.BytesIO(image)).format == ("PNG" if "png" in sample else "JPEG")
            assert sample["txt"].decode() == told[facts["key"]]["text"] == facts["text"]
            assert facts["degradations"] == rows[facts["key"]]["degradations"]
            assert told.pop(facts["key"])
        assert not told
    with tarfile.open(out / "test-00000.tar") as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in tar} == {(0, 0, 0, "", 0o644)}


def test_the_printed_pattern_expands_to_the_files() -> None:
    assert pattern("train", 13) == "train-{00000..00012}.tar"
    assert pattern("test", 1) == "test-00000.tar"
