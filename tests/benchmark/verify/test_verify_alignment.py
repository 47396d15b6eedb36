"""The audit of pairs: right ones pass, and exchanged, mirrored and displaced ones are found, for all ten types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_pairs import MadePair, build, displaced, photos, right_pairs

from benchmark.verify.roles import evidence
from benchmark.verify.run import Finding, verify
from benchmark.verify.shift import measure_shift
from benchmark.verify.structure import grey
from models.images.pixels import read
from models.vocabulary import DEGRADATIONS

SHARP = [word for word in DEGRADATIONS if word != "motion-blurry"]

FOLDERS = {
    "LOL_eval15": "low-light",
    "Rain100H": "rainy",
    "samples/Rain100L": "rainy",
    "samples/GoPro_deblurgantf": "motion-blurry",
    "samples/SOTS_indoor_sample": "hazy",
    "samples/SOTS_outdoor_sample": "hazy",
    "samples/RainDrop_sample": "raindrop",
    "samples/CelebAHQ256": "uncompleted",
}
"""Genuine pairs, by folder: what was done to them."""


def findings(pairs: Sequence[MadePair], out: Path) -> list[Finding]:
    """Audit pairs; that photos occur twice is another test's matter."""
    return [f for f in verify(build(pairs, out)).findings if f.kind not in ("near-duplicate", "duplicate-pair")]


def genuine(folder: Path, degradation: str) -> list[MadePair]:
    degraded = sorted(next(p for p in folder.iterdir() if p.name.startswith("LQ")).iterdir())
    return [
        MadePair(f"{folder.name}/{file.stem}", degradation, read(file), read(folder / "GT" / f"{file.stem}.png"))
        for file in degraded
    ]


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_right_pairs_raise_no_alarm(degradation: str, tmp_path: Path) -> None:
    assert findings(right_pairs(degradation, 40), tmp_path / "d") == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_genuine_pairs_raise_no_alarm(folder: str, shared: Path, tmp_path: Path) -> None:
    pairs = genuine(shared / "reference" / "data" / folder, FOLDERS[folder])
    assert findings(pairs, tmp_path / "d") == []


@pytest.mark.slow
def test_each_fault_among_genuine_pairs_is_found_and_nothing_else(shared: Path, tmp_path: Path) -> None:
    pairs = genuine(shared / "reference" / "data" / "Rain100H", "rainy")
    names = {pair.key: i for i, pair in enumerate(pairs)}
    a, b, mirrored, exchanged, moved, same = (names[f"Rain100H/{number}"] for number in (18, 23, 33, 45, 59, 77))
    assert pairs[a].clean.shape == pairs[b].clean.shape
    pairs[a], pairs[b] = replace(pairs[a], clean=pairs[b].clean), replace(pairs[b], clean=pairs[a].clean)
    pairs[mirrored] = replace(pairs[mirrored], clean=pairs[mirrored].clean[::-1].copy())
    one = pairs[exchanged]
    pairs[exchanged] = replace(one, clean=one.degraded, degraded=one.clean)
    pairs[moved] = displaced(pairs[moved], 2)
    pairs[same] = replace(pairs[same], degraded=pairs[same].clean)
    expected = {
        ("swapped-partner", a),
        ("swapped-partner", b),
        ("mirrored-partner", mirrored),
        ("swapped-roles", exchanged),
        ("shift", moved),
        ("same-picture", same),
    }
    assert {(f.kind, names[f.where]) for f in findings(pairs, tmp_path / "d")} == expected


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_two_pairs_with_exchanged_partners_are_found(degradation: str, tmp_path: Path) -> None:
    pairs = list(right_pairs(degradation))
    one, other = pairs[2], pairs[13]
    pairs[2], pairs[13] = replace(one, clean=other.clean), replace(other, clean=one.clean)
    found = findings(pairs, tmp_path / "d")
    assert {(f.level, f.kind, f.where) for f in found} == {
        ("error", "swapped-partner", one.key),
        ("error", "swapped-partner", other.key),
    }
    assert all((other.key if f.where == one.key else one.key) in f.what for f in found)


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_a_mirrored_partner_is_found(degradation: str, tmp_path: Path) -> None:
    pairs = list(right_pairs(degradation))
    pairs[5] = replace(pairs[5], clean=pairs[5].clean[:, ::-1].copy())
    found = findings(pairs, tmp_path / "d")
    assert [(f.kind, f.where) for f in found] == [("mirrored-partner", pairs[5].key)]
    assert "mirrored left to right" in found[0].what


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_a_set_with_exchanged_roles_is_one_error(degradation: str, tmp_path: Path) -> None:
    # A drop on flat ground looks like detail: that type takes more pairs to decide.
    count = 60 if degradation == "raindrop" else 20
    pairs = [replace(p, degraded=p.clean, clean=p.degraded) for p in right_pairs(degradation, count)]
    found = findings(pairs, tmp_path / "d")
    assert [(f.level, f.kind, f.where) for f in found] == [("error", "swapped-roles", f"test/made/{degradation}")]


@pytest.mark.parametrize("degradation", [word for word in DEGRADATIONS if word != "raindrop"])
def test_a_single_pair_with_exchanged_roles_is_found(degradation: str, tmp_path: Path) -> None:
    pairs = list(right_pairs(degradation))
    pairs[3] = replace(pairs[3], degraded=pairs[3].clean, clean=pairs[3].degraded)
    found = findings(pairs, tmp_path / "d")
    assert [(f.level, f.kind, f.where) for f in found] == [("suspicion", "swapped-roles", pairs[3].key)]


@pytest.mark.parametrize("degradation", SHARP)
def test_half_a_pixel_common_to_all_pairs_is_found(degradation: str, tmp_path: Path) -> None:
    pairs = [displaced(pair, 0.5) for pair in right_pairs(degradation)]
    common = [f for f in findings(pairs, tmp_path / "d") if f.where == f"test/made/{degradation}"]
    assert [f.kind for f in common] == ["shift"]
    assert common[0].numbers["x"] == pytest.approx(0.5, abs=0.15)
    assert common[0].numbers["y"] == pytest.approx(0, abs=0.1)


def test_blur_hides_half_a_pixel_but_not_two(tmp_path: Path) -> None:
    # The path of the camera has no middle that could be known to half a pixel.
    pairs = [displaced(pair, 2) for pair in right_pairs("motion-blurry", 40)]
    common = [f for f in findings(pairs, tmp_path / "d") if f.where == "test/made/motion-blurry"]
    assert [f.kind for f in common] == ["shift"]
    assert common[0].numbers["x"] == pytest.approx(2, abs=0.4)


# Two pixels are less than what motion blur itself may displace.
@pytest.mark.parametrize(("degradation", "pixels"), [*((word, 7) for word in DEGRADATIONS), *((w, 2) for w in SHARP)])
def test_single_displaced_pairs_are_found(degradation: str, pixels: int, tmp_path: Path) -> None:
    # The tiles with most detail: a flat wall under heavy rain has no place that could be told to two pixels.
    detail = [np.abs(np.diff(grey(pair.clean).astype(int))).mean() for pair in right_pairs(degradation)]
    moved = set(np.argsort(detail)[-4:].tolist())
    pairs = [displaced(p, pixels) if i in moved else p for i, p in enumerate(right_pairs(degradation))]
    found = [f for f in findings(pairs, tmp_path / "d") if f.kind == "shift"]
    assert {f.where for f in found} == {pairs[i].key for i in moved}
    allowed = 3 if degradation == "motion-blurry" else 0.5
    assert all(f.numbers["x"] == pytest.approx(pixels, abs=allowed) for f in found)


@pytest.mark.parametrize("x", [0.0, 0.5, -1.25, 7.0])
def test_the_displacement_is_measured_to_a_tenth_of_a_pixel(x: float) -> None:
    pair = right_pairs("noisy")[0]
    sign = -1 if x < 0 else 1
    cut = displaced(pair, abs(x))
    images = (cut.degraded, cut.clean)
    degraded, clean = (grey(image[:, ::sign].copy()) for image in images)
    shift = measure_shift(degraded, clean)
    assert shift.x == pytest.approx(x, abs=0.1)
    assert shift.y == pytest.approx(0, abs=0.1)
    assert 0.005 < shift.error < 0.1


def test_unrelated_pictures_have_no_confident_displacement() -> None:
    pictures = [grey(photo) for photo in photos(20)]
    for one, other in zip(pictures[:10], pictures[10:], strict=True):
        shift = measure_shift(one, other)
        assert shift.peak < 7
        assert shift.gain < 0.15 or shift.length < 6 * shift.error or shift.length < 0.35


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_evidence_for_the_roles_turns_with_them(degradation: str) -> None:
    judged = [
        (evidence(p.degraded, p.clean, degradation), evidence(p.clean, p.degraded, degradation))
        for p in right_pairs(degradation)
    ]
    assert np.mean([right is not None and right > 0 for right, _ in judged]) >= 0.7
    assert np.mean([wrong is not None and wrong < 0 for _, wrong in judged]) >= 0.7
