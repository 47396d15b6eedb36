"""Photos and pairs that are there twice: inside a split, across splits, and in other sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_pairs import MadePair, build, photos, right_pairs

from benchmark.sources.embedded.photos import PHOTOS
from benchmark.verify.duplicates import Print, leaks, repeated
from benchmark.verify.hashing import RADIUS, near_hashes, perceptual_hash
from benchmark.verify.others import read_part
from benchmark.verify.run import OtherSet, verify
from benchmark.verify.same_photo import compare
from benchmark.verify.structure import grey, thumbnail
from models.images.pixels import encode_png, read

Change = Callable[[np.ndarray], np.ndarray]


def through_jpeg(pixels: np.ndarray) -> np.ndarray:
    data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1].copy()


CHANGES: dict[str, Change] = {
    "jpeg at quality 10": through_jpeg,
    "one pixel less at the left and top": lambda p: p[1:, 1:].copy(),
    "one pixel less all around": lambda p: p[1:-1, 1:-1].copy(),
    "half the size": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC),
}


def prints_in(folder: Path) -> list[Print]:
    """Return the prints of all images of a folder; every one has to be readable."""
    prints: list[Print] = []
    for part in OtherSet.open(folder).parts():
        some, bad = read_part(part)
        assert not bad
        prints += some
    return prints


def matches(first: list[Print], second: list[Print]) -> set[tuple[str, str]]:
    """Return the names of the images of `first` that are in `second`, each with its match."""
    return {(f.images[0].label, f.images[1].label) for f in leaks(first, second)}


@pytest.mark.parametrize("change", CHANGES)
def test_a_photo_is_recognised_after_a_small_change(change: str) -> None:
    for photo in PHOTOS:
        thumbs = [thumbnail(grey(pixels)) for pixels in (photo.pixels(), CHANGES[change](photo.pixels()))]
        assert np.bitwise_count(perceptual_hash(thumbs[0]) ^ perceptual_hash(thumbs[1])) <= RADIUS, photo.name
        assert compare(thumbs[0], thumbs[1]).same, photo.name


def test_different_photos_and_overlapping_tiles_are_not_the_same() -> None:
    thumbs = [thumbnail(grey(pixels)) for pixels in (*(photo.pixels() for photo in PHOTOS), *photos(20))]
    alike = [(i, j) for i in range(len(thumbs)) for j in range(i) if compare(thumbs[i], thumbs[j]).same]
    assert alike == []


def test_near_hashes_are_those_of_a_plain_double_loop() -> None:
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 2**64, 1500, dtype=np.uint64)
    hashes[1::3] = hashes[::3] ^ np.uint64(0b10110)  # every third has a neighbour three bits away
    expected = {
        (i, j) for i in range(1500) for j in range(i + 1, 1500) if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 8
    }
    found = [tuple(row[:2]) for block in near_hashes(hashes, radius=8) for row in block.tolist()]
    assert len(found) == len(set(found)) >= 500
    assert set(found) == expected
    across = {tuple(row[:2]) for block in near_hashes(hashes[:700], hashes[700:], radius=8) for row in block.tolist()}
    assert across == {(i, j - 700) for i, j in expected if i < 700 <= j}


def test_a_chain_of_like_frames_is_one_finding() -> None:
    photo = PHOTOS[0].pixels()
    frames = [photo[i : 400 + i, i : 400 + i].copy() for i in range(6)]
    prints = [
        Print(str(i), "train", "film", str(i), thumbnail(grey(f)), OtherImageStub()) for i, f in enumerate(frames)
    ]
    found = list(repeated(prints))
    assert [(f.where, f.numbers["images"]) for f in found] == [("0", 6)]


class OtherImageStub:
    """The place of an image that is never looked at."""

    name = fingerprint = ""
    size = 0
    files: tuple[Path, ...] = ()

    def read(self) -> bytes:
        raise AssertionError("nobody asked for the pixels")


def test_a_pair_under_two_keys_is_found_and_across_splits_it_is_a_leak(tmp_path: Path) -> None:
    pairs = [*right_pairs("rainy")]
    pairs += [replace(pairs[0], key="again"), replace(pairs[1], key="trained on", split="train")]
    found = {f.where: f for f in verify(build(pairs, tmp_path / "d")).findings}
    again, leaked = found["rainy/0"], found["trained on"]
    assert (again.level, again.kind, again.images[0].label) == ("suspicion", "duplicate-pair", "degraded")
    assert again.what.endswith("as again")
    assert (leaked.level, leaked.kind) == ("leak", "duplicate-pair")
    assert found["rainy/1"].kind == "leak"
    assert len(found) == 3


@pytest.mark.parametrize("change", CHANGES)
def test_a_test_photo_in_the_training_data_is_a_leak(change: str, tmp_path: Path) -> None:
    test = right_pairs("noisy", 6)
    photo = CHANGES[change](test[4].clean)
    trained = MadePair("other", "noisy", 255 - photo, photo, split="train", source="elsewhere")
    leaked = [f for f in verify(build([*test, trained], tmp_path / "d")).findings if f.level == "leak"]
    assert [(f.kind, f.where) for f in leaked] == [("leak", "noisy/4")]
    assert leaked[0].images[1].label == "other"


def test_clean_images_that_serve_several_pairs_are_no_duplicates(tmp_path: Path) -> None:
    pairs = [*right_pairs("noisy", 4), *right_pairs("hazy", 4)]
    audit = verify(build(pairs, tmp_path / "d"))
    assert audit.checked["clean images"] == 4
    assert audit.findings == []


def test_other_sets_are_folders_archives_and_datasets(tmp_path: Path) -> None:
    data = build(right_pairs("snowy", 6), tmp_path / "d")
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "copy.png").write_bytes(encode_png(through_jpeg(photos(6)[2])))
    (folder / "stranger.png").write_bytes(encode_png(photos(20)[15]))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    other = build([replace(p, split="train") for p in right_pairs("hazy", 6)[:3]], tmp_path / "other")
    audit = verify(data, against=[OtherSet.open(folder), OtherSet.open(other.folder)])
    assert [(f.level, f.kind, f.where, f.images[1].label) for f in audit.findings if f.level == "leak"] == [
        ("leak", "overlap", "snowy/2", "deep/copy.png"),
        *[("leak", "overlap", f"snowy/{i}", f"hazy/{i}") for i in range(3)],
    ]
    assert [f.where for f in audit.findings if f.kind == "decoding"] == [f"{folder}: broken.png"]


@pytest.mark.slow
def test_known_overlaps_of_real_sets_are_found_and_no_others(shared: Path) -> None:
    data = shared / "reference" / "data"
    cbsd, live, rain, low = (prints_in(data / name / "GT") for name in ("CBSD68", "LIVE1", "Rain100H", "LOL_eval15"))
    bsds, kodak = (prints_in(data / "samples" / name) for name in ("BSDS500_val", "Kodak24"))
    light = prints_in(data / "samples" / "Rain100L" / "GT")
    gopro, drops = (prints_in(data / "samples" / name / "GT") for name in ("GoPro_deblurgantf", "RainDrop_sample"))
    assert len(cbsd) == 68
    assert matches(cbsd, bsds) == {(one.name, one.name.replace(".png", ".jpg")) for one in cbsd}
    assert matches(kodak, live) == {("03.png", "caps.png"), ("05.png", "bikes.png"), ("06.png", "sailing1.png")}
    pictures = {one.name: read(data / "Rain100H" / "GT" / one.name) for one in rain}
    for one, other in matches(light, rain):
        assert np.array_equal(read(data / "samples" / "Rain100L" / "GT" / one), pictures[other])
    assert {one for one, _ in matches(light, rain)} == {one.name for one in light}
    groups = [low, gopro, drops, live, [*cbsd, *bsds, *rain, *light]]
    for i, group in enumerate(groups):
        for others in groups[:i]:
            assert matches(group, others) == set()


@pytest.mark.slow
def test_matches_of_rain100h_and_cbsd68_are_those_of_the_full_pixels(shared: Path) -> None:
    data = shared / "reference" / "data"
    folders = [data / "Rain100H" / "GT", data / "CBSD68" / "GT"]
    # Rain100H lost one row and one column: a cut of the other image has the same pixels but for rounding.
    rain, cbsd = ({p.name: grey(read(p)).astype(np.int16) for p in sorted(f.iterdir())} for f in folders)
    equal = set()
    for name, small in rain.items():
        for other, large in cbsd.items():
            if large.shape != (small.shape[0] + 1, small.shape[1] + 1):
                continue
            cuts = [large[dy:, dx:][: small.shape[0], : small.shape[1]] for dy in (0, 1) for dx in (0, 1)]
            if min(float(np.abs(cut[::4, ::4] - small[::4, ::4]).mean()) for cut in cuts) < 3:
                equal.add((name, other))
    first, second = (prints_in(folder) for folder in folders)
    assert len(equal) >= 20
    assert matches(first, second) == equal


@pytest.mark.slow
def test_rain100h_holds_photos_twice_and_each_couple_has_the_same_pixels(shared: Path) -> None:
    folder = shared / "reference" / "data" / "Rain100H" / "GT"
    pictures = {path.name: read(path).tobytes() for path in sorted(folder.iterdir())}
    couples = [{shown.label for shown in finding.images} for finding in repeated(prints_in(folder))]
    expected = [
        {one, other} for one in pictures for other in pictures if one < other and pictures[one] == pictures[other]
    ]
    assert sorted(map(sorted, couples)) == sorted(map(sorted, expected))
    assert len(couples) == 9
