"""Pairing by name, and the readers of real layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.sources import SOURCES
from benchmark.sources.folders import natural_order
from benchmark.sources.pairing import pair_by_name, without_role
from models.errors import UserError
from models.images import encode_png


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


@pytest.mark.parametrize(
    ("degraded", "clean"),
    [
        (["2.png", "1.png", "10.png"], ["10.jpg", "1.jpg", "2.jpg"]),
        (["rain-001.png", "rain-002.png"], ["norain-002.png", "norain-001.png"]),
        (["0_rain.png", "1_rain.png"], ["1_clean.png", "0_clean.png"]),
        (["0048_0.9_0.2.jpg", "0048_1_0.1.jpg", "0049_1_1.jpg"], ["0049.jpg", "0048.jpg"]),
        (["IMG_1.jpg"], ["IMG_1_no_shadow.jpg"]),
    ],
)
def test_partners_are_found_by_name_in_any_order(degraded: list[str], clean: list[str]) -> None:
    def number(path: Path) -> str:
        return without_role(path.stem).removeprefix("img_").split("_")[0].lstrip("0") or "0"

    pairs = pair_by_name(paths(*degraded), paths(*clean))
    assert [d for d, _ in pairs] == paths(*degraded)
    assert all(number(d) == number(c) for d, c in pairs)


def test_a_missing_partner_is_named() -> None:
    with pytest.raises(UserError, match=r"1 degraded without exactly one clean image \(e.g. 3.png\)"):
        pair_by_name(paths("1.png", "3.png"), paths("1.png"))
    with pytest.raises(UserError, match=r"1 clean without a degraded image \(e.g. 7.png\)"):
        pair_by_name(paths("1.png"), paths("1.png", "7.png"))


def test_numbers_are_ordered_by_value() -> None:
    assert sorted(["10", "9", "1", "a2", "a10"], key=natural_order) == ["1", "9", "10", "a2", "a10"]


@pytest.fixture
def picture() -> bytes:
    import numpy as np

    return encode_png(np.full((16, 16, 3), 90, np.uint8))


def fill(folder: Path, names: list[str], data: bytes) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(data)


def test_lol_reads_the_folders_of_its_archive(tmp_path: Path, picture: bytes) -> None:
    for split, names in (("our485", ["2.png", "5.png"]), ("eval15", ["1.png"])):
        fill(tmp_path / split / "low", names, picture)
        fill(tmp_path / split / "high", names, picture)
    keys = [s.key for s in SOURCES.load("lol")(tmp_path)]
    assert keys == ["lol/train/low-light/2", "lol/train/low-light/5", "lol/test/low-light/1"]


def test_rain100h_pairs_rain_with_norain_and_knows_the_training_folder(tmp_path: Path, picture: bytes) -> None:
    fill(tmp_path / "RainTrainH", ["rain-1.png", "norain-1.png"], picture)
    fill(tmp_path / "test", ["rain-001.png", "norain-001.png", "rain-002.png", "norain-002.png"], picture)
    samples = list(SOURCES.load("rain100h")(tmp_path))
    assert [(s.split, s.key) for s in samples] == [
        ("train", "rain100h/train/rainy/1"),
        ("test", "rain100h/test/rainy/001"),
        ("test", "rain100h/test/rainy/002"),
    ]
    assert all(s.degraded is not None and s.clean.name.endswith(f"no{Path(s.degraded.name).name}") for s in samples)


def test_the_authors_layout_is_read_with_its_captions(tmp_path: Path, picture: bytes) -> None:
    for split in ("train", "val"):
        for word in ("hazy", "rainy"):
            fill(tmp_path / split / word / "LQ", ["a.png"], picture)
            fill(tmp_path / split / word / "GT", ["a.png"], picture)
    (tmp_path / "daclip_train.csv").write_text(
        "filepath\ttitle\ndatasets/universal/train/hazy/LQ/a.png\ta sign: keep out: hazy\n", encoding="utf-8"
    )
    samples = list(SOURCES.load("universal")(tmp_path))
    assert [(s.split, s.degradation, s.caption) for s in samples] == [
        ("train", "hazy", "a sign: keep out"),
        ("train", "rainy", None),
        ("test", "hazy", None),
        ("test", "rainy", None),
    ]


def test_an_unknown_type_folder_is_refused_with_the_close_match(tmp_path: Path, picture: bytes) -> None:
    fill(tmp_path / "train" / "rain" / "LQ", ["a.png"], picture)
    with pytest.raises(UserError, match="did you mean 'rainy'"):
        list(SOURCES.load("universal")(tmp_path))
