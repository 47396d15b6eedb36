"""What files say about the machine they were made on: nothing of its folders, and modes as its user wants them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from small_datasets import small_dataset, write_captions
from trees import tree_digest
from trials import bench

from models.images.pixels import encode_png


def sources(folder: Path) -> Path:
    """Return a folder of photos, one of which cannot be used."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(4):
        pixels = generator.integers(0, 256, (24, 32, 3)).astype(np.uint8)
        (photos / f"{number}.png").write_bytes(encode_png(pixels))
    (photos / "bad.png").write_bytes(b"no picture")
    return photos


def test_the_same_photos_in_two_places_give_the_same_bytes_and_no_file_names_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for name in ("here", "elsewhere/far/away"):
        place = tmp_path / name
        photos = sources(place)
        monkeypatch.chdir(place)
        made_of = ["--source", f"custom={photos}", "--spec", "noise(sigma=50)", "--workers", "0"]
        assert bench("build-dataset", *made_of, "--out", place / "out").code == 0
        made.append(tree_digest(place / "out"))
        texts = [p for p in (place / "out").rglob("*") if p.suffix in (".md", ".json")]
        assert len(texts) >= 4
        for path in texts:
            assert str(tmp_path) not in path.read_text(encoding="utf-8"), path
        assert "bad.png" in (place / "out" / "README.md").read_text(encoding="utf-8")
    assert made[0] == made[1]


@pytest.mark.parametrize("mask", [0o002, 0o027, 0o077], ids=oct)
def test_files_have_the_mode_that_the_user_wants(mask: int, tmp_path: Path) -> None:
    data = tmp_path / "given"
    write_captions(small_dataset(data, rows=1))
    before = set(tmp_path.rglob("*"))
    images = data.with_name("given-images")
    source = ["--source", f"custom={images}", "--spec", "noise(sigma=50)", "--workers", "0"]
    commands: list[list[object]] = [
        ["build-dataset", *source, "--out", tmp_path / "built"],
        ["export", data, tmp_path / "universal", "--layout", "universal"],
        ["export", data, tmp_path / "shards", "--layout", "webdataset"],
        ["check-captions", data],
        ["verify", data, "--report", tmp_path / "report"],
        ["leaderboard", "--leaderboards", tmp_path / "boards"],
    ]
    usual = os.umask(mask)
    try:
        for words in commands:
            done = bench(*words)
            assert done.code in (0, 1), (words, done.err)
    finally:
        os.umask(usual)
    made = set(tmp_path.rglob("*")) - before
    assert len(made) > 20
    for path in made:
        if path.is_symlink():
            continue
        expected = (0o777 if path.is_dir() else 0o666) & ~mask
        assert stat.S_IMODE(path.stat().st_mode) == expected, (path, oct(path.stat().st_mode))
