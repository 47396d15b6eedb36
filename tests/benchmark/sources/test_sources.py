"""Laws over the twelve published sets, each made tiny in its real layout, and the authors' layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from archives_maker import FULL, MAKERS, TINY, Archives, pack, picture, unpack

from benchmark.sources import SOURCES
from benchmark.sources.celebahq import MaskedImage, paint
from benchmark.sources.counts import TABLE_1, compare_sources, count_samples, differences
from benchmark.sources.open import find_sources, open_source
from benchmark.sources.samples import FileImage, Rejected, Sample
from models.errors import UserError
from models.images.pixels import decode, encode_png, read
from models.vocabulary import DEGRADATIONS

PUBLISHED = tuple(MAKERS)
PAIRED = tuple(name for name in PUBLISHED if name not in ("div2k", "flickr2k", "live1", "cbsd68", "celebahq"))


def samples_of(name: str, paths: list[Path]) -> list[Sample]:
    found = open_source(name, paths)
    assert [item for item in found if isinstance(item, Rejected)] == []
    return [item for item in found if isinstance(item, Sample)]


def packed(archives: Archives, folder: Path) -> list[Path]:
    return [pack(files, folder / name) for name, files in archives.items()]


def unpacked(archives: Archives, folder: Path) -> list[Path]:
    return [unpack(files, folder / name.split("/")[-1].split(".")[0]) for name, files in archives.items()]


def facts(sample: Sample) -> tuple[object, ...]:
    images = [(image.fingerprint, image.read()) for image in (sample.clean, sample.degraded) if image is not None]
    return (sample.key, sample.split, sample.degradation, sample.spec, sample.seed, images)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def test_every_set_of_table_1_is_in_the_catalogue_with_its_facts() -> None:
    assert [name for name in SOURCES if name in PUBLISHED] == list(PUBLISHED)
    for name in PUBLISHED:
        card = SOURCES[name]
        assert card.files
        assert card.licence
        assert card.layout
        assert "http" in card.obtain
        assert card.bibtex.count("{") == card.bibtex.count("}") > 4
        assert "title = {" in card.bibtex
        assert {word for counts in card.counts.values() for word in counts} == set(card.degradations)


def test_the_counts_of_the_sources_add_up_to_table_1() -> None:
    # A source that the table does not name may publish counts as well.
    named = [SOURCES[name] for name in PUBLISHED]
    totals = {
        split: {word: sum(card.counts.get(split, {}).get(word, 0) for card in named) for word in DEGRADATIONS}
        for split in ("train", "test")
    }
    assert totals["train"] == {word: row.train for word, row in TABLE_1.items()}
    assert totals["test"] == {word: row.test for word, row in TABLE_1.items()}
    assert sum(totals["train"].values()) == 52_801
    assert sum(totals["test"].values()) == 3_490


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_source_gives_the_same_samples_packed_unpacked_and_in_one_folder(name: str, tmp_path: Path) -> None:
    archives = MAKERS[name](*TINY[name])
    from_archives = [facts(s) for s in samples_of(name, packed(archives, tmp_path / "packed"))]
    assert from_archives == [facts(s) for s in samples_of(name, unpacked(archives, tmp_path / "unpacked"))]
    assert from_archives == [facts(s) for s in samples_of(name, [tmp_path / "packed"])]
    assert from_archives == [facts(s) for s in samples_of(name, [tmp_path / "unpacked"])]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_source_gives_as_many_samples_as_it_has_pairs_under_keys_of_their_own(name: str, tmp_path: Path) -> None:
    samples = samples_of(name, packed(MAKERS[name](*TINY[name]), tmp_path))
    train, test = TINY[name]
    types = SOURCES[name].degradations
    expected = {(name, word, split): n for word in types for split, n in (("train", train), ("test", test)) if n}
    assert dict(count_samples(samples)) == expected
    assert len({sample.key for sample in samples}) == len(samples)
    assert all(s.key.startswith(f"{name}/{s.split}/{s.degradation}/") for s in samples)


@pytest.mark.parametrize("name", PAIRED)
def test_partners_show_the_same_scene(name: str, tmp_path: Path) -> None:
    """A degraded picture of the maker is the clean one of its number with a few bytes more."""
    samples = samples_of(name, packed(MAKERS[name](*TINY[name]), tmp_path))
    assert samples
    for sample in samples:
        assert sample.degraded is not None
        clean, degraded = sample.clean.read(), sample.degraded.read()
        assert degraded[: len(clean)] == clean
        assert len(degraded) > len(clean)


@pytest.mark.parametrize("role", ["degraded", "clean"])
@pytest.mark.parametrize("name", PAIRED)
def test_without_its_partner_an_image_is_rejected_and_the_rest_stays(name: str, role: str, tmp_path: Path) -> None:
    folders = unpacked(MAKERS[name](*TINY[name]), tmp_path)
    whole = samples_of(name, folders)
    lost = whole[1]
    image = lost.degraded if role == "degraded" else lost.clean
    assert image is not None
    image.files[0].unlink()
    found = open_source(name, folders)
    assert [s.key for s in found if isinstance(s, Sample)] == [s.key for s in whole if s.key != lost.key]
    rejected = [item for item in found if isinstance(item, Rejected)]
    assert [item.key for item in rejected] == [lost.key]
    assert f"no {role} image of this name" in rejected[0].reason


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_wrong_folder_is_told_what_was_expected_and_where_it_is_offered(name: str, tmp_path: Path) -> None:
    # LIVE1 and CBSD68 take any photos, CelebA-HQ any but masks: nothing but degraded images and masks is here.
    unpack({f"{'masks' if name == 'celebahq' else 'LQ'}/sea.png": picture(1, ending="png")}, tmp_path / "holidays")
    with pytest.raises(UserError) as caught:
        open_source(name, [tmp_path / "holidays"])
    message = str(caught.value)
    assert SOURCES[name].title in message or "no test pair" in message
    assert "\n" not in message


def test_files_that_cannot_be_read_are_rejected_where_the_source_takes_images_from(tmp_path: Path) -> None:
    folder = unpacked(MAKERS["gopro"](30, 11), tmp_path)[0] / "GOPRO_Large" / "train" / "GOPR0300_11_00"
    for place in ("blur/000009.png", "sharp/000009.png", "blur_gamma/000009.png", "blur/notes.txt"):
        (folder / place).symlink_to(tmp_path / "gone")
    found = open_source("gopro", [tmp_path / "GOPRO_Large"])
    assert sum(isinstance(item, Sample) for item in found) == 41
    rejected = [item for item in found if isinstance(item, Rejected)]
    assert sorted(item.key for item in rejected) == [
        f"GOPRO_Large/GOPRO_Large/train/GOPR0300_11_00/{role}/000009.png" for role in ("blur", "sharp")
    ]
    assert {item.reason for item in rejected} == {"a link to a file that is not there"}


def test_a_download_in_several_parts_is_one_set(tmp_path: Path) -> None:
    """A shared folder comes as numbered archives with its files spread over them at random."""
    ((_, files),) = MAKERS["reside6k"](9, 4).items()
    parts = [dict(list(files.items())[start::3]) for start in range(3)]
    paths = [pack(part, tmp_path / f"RESIDE-6K-001-{n}.zip") for n, part in enumerate(parts)]
    assert [name for name, _ in find_sources(tmp_path)] == ["reside6k"]
    assert len(samples_of("reside6k", paths)) == 13


def test_the_paper_trains_on_two_versions_of_each_photo_that_lie_side_by_side(tmp_path: Path) -> None:
    samples = samples_of("div2k", packed(MAKERS["div2k"](9, 0), tmp_path))
    for jpeg, noisy in zip(samples[::2], samples[1::2], strict=True):
        assert jpeg.clean == noisy.clean
        assert (jpeg.spec, noisy.spec) == ("jpeg(quality=10)", "noise(sigma=50)")
    assert {sample.split for sample in samples} == {"train"}


def test_snow100k_gives_every_photo_when_asked(tmp_path: Path) -> None:
    paths = packed(MAKERS["snow100k"](2, 1), tmp_path)
    assert len(open_source("snow100k", paths)) == 3
    assert len(open_source("snow100k", paths, options={"subset": "all"})) == 2 + 1 + 200 + 200
    with pytest.raises(UserError, match="no subset 'al' - did you mean 'all'"):
        open_source("snow100k", paths, options={"subset": "al"})
    with pytest.raises(UserError, match="no option 'subsets' - did you mean 'subset'"):
        open_source("snow100k", paths, options={"subsets": "all"})


def test_celebahq_takes_mask_i_for_test_image_i_when_the_masks_are_there(tmp_path: Path) -> None:
    masks = {f"inpainting_masks/{n:06d}.png": encode_png(mask_of(n)) for n in range(100)}
    archives = MAKERS["celebahq"](5, 100) | {"inpainting_masks.zip": masks}
    samples = samples_of("celebahq", packed(archives, tmp_path))
    tests = [s for s in samples if s.split == "test"]
    assert [s.key for s in tests[:2]] == ["celebahq/test/uncompleted/00000", "celebahq/test/uncompleted/00001"]
    for number, sample in enumerate(tests):
        assert isinstance(sample.degraded, MaskedImage)
        assert sample.degraded.mask.fingerprint.startswith(f"inpainting_masks/{number:06d}.png")
        assert sample.spec is None
    painted = decode(tests[3].degraded.read()) if tests[3].degraded else np.zeros(0)
    assert (painted[:4] == 255).all()
    assert np.array_equal(painted[4:], decode(tests[3].clean.read())[4:])
    drawn = {s.degraded.mask.fingerprint for s in samples if isinstance(s.degraded, MaskedImage) and s.split == "train"}
    assert len(drawn) > 1
    again = open_source("celebahq", [tmp_path], options={"seed": 1})
    assert [s.degraded for s in again if isinstance(s, Sample)] != [s.degraded for s in samples]


def mask_of(number: int) -> np.ndarray:
    mask = np.full((256, 256, 3), 255, np.uint8)
    mask[:128] = 0
    mask[255, 255 - number :] = 255  # each file is one of its own
    return mask


def test_fewer_masks_than_test_images_are_refused(tmp_path: Path) -> None:
    masks = {f"masks/{n:06d}.png": encode_png(mask_of(n)) for n in range(60)}
    paths = packed(MAKERS["celebahq"](5, 100) | {"masks.zip": masks}, tmp_path)
    with pytest.raises(UserError, match="holds 60 masks for 100 test images"):
        open_source("celebahq", paths)


def test_the_authors_masked_faces_are_reproduced_exactly(shared: Path) -> None:
    data = shared / "reference" / "data"
    for number in range(12):
        clean = data / "samples" / "CelebAHQ256" / "GT" / f"{number:03d}.png"
        mask = data / "masks" / "thin" / f"{number:06d}.png"
        theirs = read(data / "samples" / "CelebAHQ256" / "LQ_thin" / f"{number:03d}.png")
        assert np.array_equal(decode(MaskedImage(FileImage(clean), FileImage(mask)).read()), theirs)
        assert np.array_equal(paint(read(clean), read(mask)), theirs)


def test_real_test_sets_are_read_whole(shared: Path) -> None:
    folders = {"rain100h": "Rain100H", "lol": "LOL_eval15", "cbsd68": "CBSD68", "live1": "LIVE1"}
    found = {name: samples_of(name, [shared / "reference" / "data" / folder]) for name, folder in folders.items()}
    for name, samples in found.items():
        rows = compare_sources(count_samples(samples), [SOURCES[name]])
        assert [row.found for row in rows if row.split == "test"] == [FULL[name][1]]
        assert {row.found for row in rows if row.split == "train"} <= {0}
    assert differences(found["live1"], ["live1"]) == []
    assert differences(found["live1"][1:], ["live1"]) == ["live1 has 28 jpeg-compressed test pairs instead of 29"]
