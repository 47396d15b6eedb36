"""One's own images and the authors' layout: pairs found by folder names, captions, specs, and build recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from archives_maker import clean, degraded, pack, unpack

from benchmark.building.recipe import load_recipe
from benchmark.degradations.specs.severity import severity_spec
from benchmark.sources.layouts import FOLDER_PAIRS
from benchmark.sources.open import open_source
from benchmark.sources.samples import Rejected, Sample
from models.errors import UserError


def samples_of(name: str, *paths: Path, **options: Any) -> list[Sample]:
    found = open_source(name, paths, options=options)
    assert [item for item in found if isinstance(item, Rejected)] == []
    return [item for item in found if isinstance(item, Sample)]


def pairs(*folders: str, names: tuple[str, ...] = ("a", "b")) -> dict[str, bytes]:
    """Return the files of a degraded and a clean folder."""
    files = {f"{folders[0]}/{name}.png": degraded(number) for number, name in enumerate(names)}
    return files | {f"{folders[1]}/{name}.png": clean(number) for number, name in enumerate(names)}


@pytest.mark.parametrize(("bad", "good"), FOLDER_PAIRS)
def test_pairs_of_folders_are_recognised_whatever_their_letters(bad: str, good: str, tmp_path: Path) -> None:
    files = pairs(f"train/{bad.upper()}", f"train/{good.title()}") | pairs(f"val/{bad}", f"val/{good}", names=("c",))
    samples = samples_of("custom", unpack(files, tmp_path / "mine"), degradation="foggy")
    assert [(s.split, s.key) for s in samples] == [
        ("train", "custom/train/foggy/mine/train/a"),
        ("train", "custom/train/foggy/mine/train/b"),
        ("test", "custom/test/foggy/mine/val/c"),
    ]
    for sample in samples:
        assert sample.degraded is not None
        assert sample.degraded.read().startswith(sample.clean.read())


def test_an_archive_of_pairs_gives_the_samples_of_the_folder(tmp_path: Path) -> None:
    files = pairs("mine/low", "mine/high")
    unpack(files, tmp_path / "unpacked")
    from_folder = samples_of("custom", tmp_path / "unpacked" / "mine", degradation="dim")
    from_archive = samples_of("custom", pack(files, tmp_path / "packed" / "mine.zip"), degradation="dim")
    assert [s.key for s in from_folder] == ["custom/train/dim/mine/a", "custom/train/dim/mine/b"]
    assert [(s.key, s.clean.fingerprint) for s in from_archive] == [(s.key, s.clean.fingerprint) for s in from_folder]


def test_splits_inside_the_two_folders_are_seen_and_an_option_overrules_them(tmp_path: Path) -> None:
    files = pairs("hazy/train", "clear/train") | pairs("hazy/test", "clear/test")
    folder = unpack(files, tmp_path / "haze")
    assert [s.split for s in samples_of("custom", folder, degradation="hazy")] == ["train", "train", "test", "test"]
    assert {s.split for s in samples_of("custom", folder, degradation="hazy", split="test")} == {"test"}


def test_clean_images_are_degraded_by_the_spec_and_bring_their_captions(tmp_path: Path) -> None:
    files = {f"photos/sea/{n}.jpg": clean(n, "jpg") for n in (10, 9)} | {"photos/sea/9.txt": b"a grey sea:\n rough\n"}
    folder = unpack(files, tmp_path)
    samples = samples_of("custom", folder, degradation="mixed", spec="rain()|jpeg( quality=30 )", seed=7)
    assert [(s.key, s.caption) for s in samples] == [
        (f"custom/train/mixed/{tmp_path.name}/9", "a grey sea: rough"),
        (f"custom/train/mixed/{tmp_path.name}/10", None),
    ]
    assert {(s.spec, s.seed, s.degraded) for s in samples} == {("rain() | jpeg(quality=30)", 7, None)}
    assert samples_of("custom", folder, degradation="noisy")[0].spec == "noise(sigma=50)"


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (pairs("LQ", "GT"), {}, "say what is wrong"),
        (pairs("LQ", "GT"), {"degradation": "Fog!"}, "cannot name a degradation"),
        (pairs("LQ", "GT"), {"degradation": "foggy", "spec": "haze()"}, "holds pairs, but a spec was given"),
        (pairs("LQ", "GT"), {"degradation": "foggy", "split": "val"}, "split 'val' is neither of train, test"),
        (pairs("LQ", "GT"), {"degradation": "foggy", "label": "a/b"}, "cannot stand in a key"),
        (pairs("LQ", "good"), {"degradation": "foggy"}, "no pairs of folders such as {lq,gt}"),
        (pairs("LQ", "good"), {"degradation": "foggy", "spec": "haze("}, "spec"),
        ({"notes.md": b"none"}, {"degradation": "hazy"}, "no image in"),
        ({"LQ/a.png": degraded(0), "GT/b.png": clean(0)}, {"degradation": "hazy"}, "no train pair of type hazy"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    files: dict[str, bytes], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_source("custom", [unpack(files, tmp_path)], options=options)
    assert "\n" not in str(caught.value)


def test_a_lonely_image_of_ones_own_is_rejected_and_the_rest_stays(tmp_path: Path) -> None:
    files = pairs("LQ", "GT") | {"LQ/c.png": degraded(2), "GT/d.png": clean(3)}
    found = open_source("custom", [unpack(files, tmp_path / "mine")], options={"degradation": "foggy"})
    assert [item.key.rpartition("/")[2] for item in found] == ["a", "b", "c", "d"]
    assert [type(item) for item in found] == [Sample, Sample, Rejected, Rejected]


def test_the_authors_layout_is_read_with_captions_further_types_and_any_letters_around_it(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for split in ("train", "val"):
        for word in ("foggy", "rainy", "hazy"):
            files |= pairs(f"set/{split}/{word}/LQ", f"set/{split}/{word}/GT", names=("a",))
    title = "filepath\ttitle\ndatasets/universal/train/{0}/LQ/a.png\ta sign: keep out: {0}\n"
    files["set/daclip_train.csv"] = title.format("hazy").encode()
    files["set/daclip_val.csv"] = title.format("foggy").encode()
    samples = samples_of("universal", pack(files, tmp_path / "download.zip"))
    assert [(s.split, s.degradation, s.caption) for s in samples] == [
        ("train", "hazy", "a sign: keep out"),
        ("train", "rainy", None),
        ("train", "foggy", None),
        ("test", "hazy", None),
        ("test", "rainy", None),
        ("test", "foggy", "a sign: keep out"),
    ]
    assert samples[0].key == "universal/train/hazy/a"


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("train/rain", "did you mean 'rainy'"),
        ("train/Hazy", "did you mean 'hazy'"),
        ("train/film grain", "cannot name a degradation"),
    ],
)
def test_a_type_folder_that_looks_misspelt_is_refused(folder: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        open_source("universal", [unpack(pairs(f"{folder}/LQ", f"{folder}/GT"), tmp_path)])


def test_images_of_a_type_outside_its_two_folders_are_not_passed_over(tmp_path: Path) -> None:
    files = pairs("train/rainy/LQ", "train/rainy/GT") | pairs("train/hazy/input", "train/hazy/target")
    with pytest.raises(UserError, match="no LQ and GT folders in train/hazy"):
        open_source("universal", [unpack(files, tmp_path)])


def test_a_recipe_combines_several_sets_of_ones_own(tmp_path: Path) -> None:
    unpack(pairs("fog/LQ", "fog/GT") | {"photos/x.png": clean(1), "more/x.png": clean(2)}, tmp_path)
    (tmp_path / "sources.yaml").write_text(
        """sources:
  - {name: custom, path: fog, degradation: foggy}
  - {name: custom, paths: [photos, more], degradation: grainy, spec: noise(sigma=15), split: test, seed: 3, label: g}
  - {name: demo}
""",
        encoding="utf-8",
    )
    wanted = load_recipe(tmp_path / "sources.yaml")
    assert [(name, len(paths)) for name, paths, _ in wanted] == [("custom", 1), ("custom", 2), ("demo", 0)]
    keys = [s.key for name, paths, options in wanted[:2] for s in samples_of(name, *paths, **options)]
    assert keys == [
        "custom/train/foggy/fog/a",
        "custom/train/foggy/fog/b",
        "custom/test/grainy/g/more/x",
        "custom/test/grainy/g/photos/x",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sources:\n- {name: custom, path: a, degradatoin: foggy}",
            "unknown key 'sources.1.degradatoin' - did you mean",
        ),
        ("source:\n- {name: demo}", "unknown key 'source' - did you mean 'sources'|sources: field required"),
        ("sources: []", "sources: list should have at least 1 item"),
        ("- demo", "must be a mapping with the key 'sources', not list"),
        ("sources: [", "not valid YAML"),
        ("sources: [{name: gopr, path: a}]", "no source called 'gopr' - did you mean 'gopro'"),
        ("sources: [{name: gopro}]", "gopro needs path or paths"),
        ("sources: [{name: demo, path: a}]", "demo is embedded: leave out its path"),
        ("sources: [{name: lol, path: a, spec: rain()}]", "lol has no option 'spec': it has none"),
        ("sources: [{name: custom, path: a, seed: many}]", "sources.1.seed: input should be a valid integer"),
        ("sources: [{name: custom, path: a, split: val}]", "sources.1.split: input should be 'train' or 'test'"),
    ],
)
def test_a_wrong_recipe_is_refused_and_names_the_key(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        load_recipe(tmp_path / "r.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "word"),
    [("noise(sigma=25)", "noisy"), ("rain() | jpeg(quality=30)", "mixed"), ("wild()", "wild"), ("sinc()", "mixed")],
)
def test_a_spec_names_its_type_where_the_user_does_not(spec: str, word: str, tmp_path: Path) -> None:
    folder = unpack({"a.png": clean(0)}, tmp_path / "photos")
    (sample,) = samples_of("custom", folder, spec=spec)
    assert (sample.degradation, sample.key) == (word, f"custom/train/{word}/photos/a")


def test_a_severity_stands_for_its_spec_and_tells_levels_apart(tmp_path: Path) -> None:
    folder = unpack({"a.png": clean(0)}, tmp_path / "photos")
    found = [samples_of("custom", folder, degradation="noisy", severity=level)[0] for level in (1, 5)]
    assert [s.spec for s in found] == [severity_spec("noisy", 1), severity_spec("noisy", 5)]
    assert [s.key for s in found] == [f"custom/train/noisy/photos/severity-{level}/a" for level in (1, 5)]
    with pytest.raises(UserError, match="leave out one"):
        samples_of("custom", folder, degradation="noisy", severity=3, spec="noise(sigma=5)")
