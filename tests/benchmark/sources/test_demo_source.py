"""The embedded demo source: photos, captions, splits, tiles and pairs."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources.demo import FLAT, PICTURES, SIDE, TEST_PAIRS, TRAIN_PAIRS, Tile, _detail, candidates, read
from benchmark.sources.embedded.photos import PHOTOS, photo
from benchmark.sources.embedded.procedural import PROCEDURAL
from benchmark.sources.embedded.procedural import SIDE as PROCEDURAL_SIDE
from benchmark.sources.samples import Sample
from models.errors import UserError
from models.images.pixels import decode
from models.vocabulary import DEGRADATIONS


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return list(read(None))


@pytest.mark.parametrize("entry", PHOTOS, ids=lambda p: p.name)
def test_each_photo_is_there_in_colour_with_caption_licence_and_credit(entry) -> None:
    pixels = entry.pixels()
    assert min(pixels.shape[:2]) >= SIDE
    assert np.abs(pixels[..., 0].astype(int) - pixels[..., 2]).mean() > 3
    assert entry.licence
    assert entry.credit
    assert 6 <= len(entry.caption.split()) <= 25
    assert ": " not in entry.caption
    assert not pixels.flags.writeable


@pytest.mark.parametrize("entry", PROCEDURAL, ids=lambda p: p.name)
def test_procedural_pictures_are_colourful_and_the_same_in_every_process(entry) -> None:
    pixels = entry.pixels()
    assert pixels.shape == (PROCEDURAL_SIDE, PROCEDURAL_SIDE, 3)
    assert pixels.std(axis=(0, 1)).min() > 10
    again = entry.draw(np.random.Generator(np.random.PCG64(entry.seed)))
    assert np.abs(again * 255 - pixels).max() <= 0.51
    assert entry.split == "train"


def test_no_scene_is_in_two_splits() -> None:
    scenes = {split: {p.scene for p in PICTURES.values() if p.split == split} for split in ("train", "test")}
    assert not scenes["train"] & scenes["test"]
    assert photo("motorcycle-left").scene == photo("motorcycle-right").scene


def test_each_type_has_its_pairs_in_each_split(samples: list[Sample]) -> None:
    counts = Counter((s.split, s.degradation) for s in samples)
    assert counts == {
        **{("train", word): TRAIN_PAIRS for word in DEGRADATIONS},
        **{("test", word): TEST_PAIRS for word in DEGRADATIONS},
    }
    assert len({s.key for s in samples}) == len(samples)
    assert all(s.spec == DEFAULT_SPECS[s.degradation] and s.seed == 0 and s.source == "demo" for s in samples)


def test_tiles_come_from_pictures_of_their_split_and_bring_the_pictures_caption(samples: list[Sample]) -> None:
    for sample in samples:
        tile = sample.clean
        assert isinstance(tile, Tile)
        assert PICTURES[tile.picture].split == sample.split
        assert sample.caption == PICTURES[tile.picture].caption
        assert sample.key == f"demo/{sample.split}/{sample.degradation}/{tile.picture}-{tile.top}-{tile.left}"


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_type_sees_every_picture_about_equally_often(samples: list[Sample], split: str) -> None:
    names = [name for name, picture in PICTURES.items() if picture.split == split]
    for name in names:
        counts = Counter(s.degradation for s in samples if s.split == split and s.key.split("/")[3].startswith(name))
        assert set(counts) == set(DEGRADATIONS)
        assert max(counts.values()) - min(counts.values()) <= 4


def test_photos_outweigh_procedural_pictures(samples: list[Sample]) -> None:
    made = sum(s.clean.name.split()[0] in {p.name for p in PROCEDURAL} for s in samples)
    assert 0 < made < 0.25 * len(samples)


def test_clean_tiles_are_shared_among_the_types(samples: list[Sample]) -> None:
    test = {s.clean for s in samples if s.split == "test"}
    assert len(test) == TEST_PAIRS
    assert len({s.clean for s in samples if s.split == "train"}) <= 2 * TRAIN_PAIRS


def test_the_order_never_changes(samples: list[Sample]) -> None:
    assert [s.key for s in read(None)] == [s.key for s in samples]


def test_a_tile_survives_pickling_and_gives_the_same_png() -> None:
    tile = Tile("coffee", 96, 128)
    again = pickle.loads(pickle.dumps(tile))
    assert again == tile
    assert again.name == tile.name == "coffee [128x128+128+96]"
    assert tile.read() == again.read()
    assert np.array_equal(decode(tile.read()), photo("coffee").pixels()[96:224, 128:256])


def test_flat_tiles_are_left_out() -> None:
    for name in ("rocket", "flower", "hopper"):
        picture = PICTURES[name]
        detail = _detail(picture.pixels())
        kept = candidates(picture)
        assert all(detail[t.top : t.top + SIDE, t.left : t.left + SIDE].std() >= FLAT for t in kept)
        rows, columns = (len(range(0, n - SIDE + 1, 48)) for n in picture.pixels().shape[:2])
        assert len(kept) < rows * columns


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="'china' comes with scikit-learn, which is not installed"):
        photo("china").locate()


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Found:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: Found())
    with pytest.raises(UserError, match="is missing from scikit-image"):
        photo("coffee").locate()


def test_an_unknown_photo_and_a_needless_folder_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'coffee'"):
        photo("cofee")
    with pytest.raises(UserError, match="takes no folder"):
        next(read(tmp_path))  # pyright: ignore[reportArgumentType]


def test_reading_the_photos_imports_none_of_their_packages() -> None:
    script = (
        "import sys; from benchmark.sources.demo import read; next(iter(read(None))).clean.read(); "
        "print([m for m in ('skimage', 'sklearn', 'matplotlib', 'torch') if m in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_black_tiles_are_left_out() -> None:
    for tile in candidates(PICTURES["retina"]):
        assert (tile.pixels().max(axis=2) < 14).mean() < 0.75
