"""What a dataset says about itself: card, terms and Croissant description."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from small_datasets import small_dataset, write_captions

from benchmark.building.recipe import load_recipe
from benchmark.dataset.folder import Dataset
from benchmark.dataset.schema import RECORDS
from benchmark.publish.card import terms
from benchmark.publish.card.captions import caption_files, caption_sets
from benchmark.publish.card.card import render_card
from benchmark.publish.card.citations import bibliography
from benchmark.publish.card.columns import COLUMNS
from benchmark.publish.card.header import features
from benchmark.publish.card.recipe import command, recipe_file
from benchmark.publish.card.terms import check_rights, strictest
from benchmark.publish.card.write import refresh, write_card
from benchmark.sources import SOURCES
from benchmark.sources.samples import Rejected
from models.errors import UserError
from models.files import sha256_file

REJECTED = (Rejected("lol/train/9", "no clean image of this name | at all"),)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("card") / "dataset", rejected=REJECTED)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_dataset(tmp_path_factory.mktemp("captioned") / "dataset", rejected=REJECTED)
    write_captions(folder)
    refresh(folder)
    return folder


def header(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def load(folder: Path, cache: Path, code: str) -> list[str]:
    """Run `code` in a process that knows `datasets` and not this project."""
    start = (
        "import sys, datasets\n"
        f"load = lambda *a: datasets.load_dataset({str(folder)!r}, *a, cache_dir={str(cache)!r})\n"
    )
    end = "\nassert 'benchmark' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", start + code + end],
        cwd=cache,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_hugging_face_stack_loads_pairs_and_captions_and_checks_their_number(
    captioned: Path, tmp_path: Path
) -> None:
    told = load(
        captioned,
        tmp_path,
        "pairs, words = load(), load('captions')\n"
        "row, said = pairs['train'][0], words['train'][0]\n"
        "print(len(pairs['train']), len(pairs['test']), len(words['train']))\n"
        "print(row['degraded'].size, row['degradations'])\n"
        "print(row['key'] == said['key'], said['text'])\n"
        "print(datasets.get_dataset_config_names(" + repr(str(captioned)) + "))",
    )
    assert told == [
        "10 4 10",
        "(32, 24) ['motion-blurry']",
        "True a picture called gopro/train/0: motion-blurry",
        "['default', 'captions']",
    ]


@pytest.mark.slow
def test_a_wrong_number_of_rows_in_the_card_is_noticed_by_the_hugging_face_stack(built: Path, tmp_path: Path) -> None:
    text = (built / "README.md").read_text(encoding="utf-8")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "data").symlink_to(built / "data")
    (tmp_path / "copy" / "README.md").write_text(text.replace("num_examples: 10", "num_examples: 11"))
    told = load(
        tmp_path / "copy",
        tmp_path,
        "try: load()\nexcept datasets.exceptions.DatasetsError as error: print('refused')\n"
        "except datasets.utils.info_utils.NonMatchingSplitsSizesError: print('refused')",
    )
    assert told == ["refused"]


def test_the_header_has_the_features_of_the_schema(built: Path) -> None:
    import datasets

    told = datasets.Features._from_yaml_list(features(RECORDS))
    assert told == datasets.Features.from_arrow_schema(pq.read_schema(next((built / "data").glob("*.parquet"))))
    assert header(built)["dataset_info"][0]["features"] == features(RECORDS)


def test_the_header_tells_terms_files_and_sizes(built: Path) -> None:
    told = header(built)
    assert (told["license"], told["license_link"]) == ("other", "LICENSE.md")
    assert told["size_categories"] == ["n<1K"]
    assert told["task_categories"] == ["image-to-image"]
    assert [entry["config_name"] for entry in told["configs"]] == ["default"]
    info = told["dataset_info"][0]
    assert [(split["name"], split["num_examples"]) for split in info["splits"]] == [("train", 10), ("test", 4)]
    assert info["download_size"] == sum(path.stat().st_size for path in (built / "data").iterdir())
    assert info["dataset_size"] > info["download_size"] / 2


def test_captions_become_a_configuration_and_leave_the_manifest_alone(built: Path, captioned: Path) -> None:
    assert (built / "manifest.json").read_bytes() == (captioned / "manifest.json").read_bytes()
    told = header(captioned)
    assert told["configs"][1] == {
        "config_name": "captions",
        "data_files": [
            {"split": "train", "path": "captions/train.parquet"},
            {"split": "test", "path": "captions/test.parquet"},
        ],
    }
    assert told["task_categories"] == ["image-to-image", "image-to-text"]
    assert caption_sets(captioned)[0].captioner == "namer"


def test_captions_of_a_further_captioner_are_a_configuration_of_their_own(tmp_path: Path) -> None:
    folder = small_dataset(tmp_path / "dataset", sources=("gopro",))
    write_captions(folder)
    write_captions(folder, captioner="other model", current=False)
    (folder / "captions" / "report").mkdir()
    (folder / "captions" / "report" / "captions.parquet").write_bytes(b"no captions")
    refresh(folder)
    assert [(made.config, made.captioner, made.rows) for made in caption_sets(folder)] == [
        ("captions", "namer", {"train": 5, "test": 2}),
        ("captions-other-model-0", "other model", {"train": 5, "test": 2}),
    ]
    assert header(folder)["configs"][2]["data_files"][0]["path"] == "captions/other model-0/train.parquet"
    assert caption_files(folder) == [
        "captions/train.parquet",
        "captions/test.parquet",
        "captions/namer-0/train.parquet",
        "captions/namer-0/test.parquet",
        "captions/other model-0/train.parquet",
        "captions/other model-0/test.parquet",
        "captions/current.json",
    ]


def test_a_broken_caption_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"train\.parquet cannot be read .*run bench caption again"):
        caption_sets(tmp_path)


def test_the_card_tells_counts_sources_recipe_and_what_was_left_out(built: Path) -> None:
    text = (built / "README.md").read_text(encoding="utf-8")
    assert "| low-light | LOL | 5 | 485 | 2 | 15 |" in text
    assert "| total |  | 10 | 52,801 | 4 | 3,490 |" in text
    assert "| GoPro | motion-blurry | 5 | 2 |" in text
    assert f"- **LOL** (`lol`): {SOURCES['lol'].citation}. Licence: {SOURCES['lol'].licence}. Obtained from" in text
    assert "- `lol/train/9`: no clean image of this name \\| at all" in text
    assert "sources:\n- name: gopro\n  path: PATH\n- name: lol\n  path: PATH\n" in text
    for name in RECORDS.names:
        assert f"| `{name}` | {COLUMNS[name]} |" in text


def test_known_issues_are_told_of_the_sources_that_have_them(built: Path) -> None:
    manifest = json.loads((built / "manifest.json").read_text())
    assert "Known issues" not in render_card(manifest, built, [])
    manifest["splits"]["test"]["sources"] = {"cbsd68": 4}
    assert "All 68 clean images of CBSD68 are in the val folder of BSDS500" in render_card(manifest, built, [])


def test_a_long_quarantine_list_is_cut_and_summed_up(built: Path) -> None:
    manifest = json.loads((built / "manifest.json").read_text())
    manifest["quarantine"] = [{"key": f"x/{i}", "reason": "the file is empty"} for i in range(1234)]
    text = render_card(manifest, built, [])
    assert "1,234 files or pairs could not be used" in text
    assert "`x/199`" in text
    assert "`x/200`" not in text
    assert "and 1,034 more, listed in `manifest.json` (most often: 1,034 x the file is empty)" in text


def test_the_same_dataset_is_described_with_the_same_bytes(built: Path) -> None:
    names = ("README.md", "LICENSE.md", "croissant.json")
    before = [(built / name).read_bytes() for name in names]
    write_card(built, json.loads((built / "manifest.json").read_text()))
    assert [(built / name).read_bytes() for name in names] == before


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_source_has_terms_and_if_it_is_published_a_citation(name: str) -> None:
    manifest = {"splits": {"train": {"sources": {name: 1}, "counts": {}}}}
    assert SOURCES[name].licence
    assert SOURCES[name].licence in terms.render_terms(manifest)
    licence = strictest(manifest)
    assert licence in (*terms.PERMISSIVE_FIRST, "other")
    assert (licence == "other") == (not SOURCES[name].spdx)
    entries = bibliography([name])
    assert all(entry.startswith("@") and entry.count("{") == entry.count("}") for entry in entries)
    assert len(entries) == len(set(entries)) == (1 if name in ("universal", "custom") else 2)
    if SOURCES[name].redistribution:
        check_rights(manifest)
    else:
        with pytest.raises(UserError, match="--i-have-the-rights"):
            check_rights(manifest)


def test_the_strictest_licence_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {n: replace(SOURCES["gopro"], name=n, spdx=n) for n in ("CC0-1.0", "CC-BY-4.0", "CC-BY-NC-SA-4.0", "")}
    monkeypatch.setattr(terms, "SOURCES", cards)

    def of(*names: str) -> str:
        return strictest({"splits": {"train": {"sources": dict.fromkeys(names, 1)}}})

    assert of("CC0-1.0") == "cc0-1.0"
    assert of("CC-BY-4.0", "CC0-1.0") == "cc-by-4.0"
    assert of("CC-BY-4.0", "CC-BY-NC-SA-4.0", "CC0-1.0") == "cc-by-nc-sa-4.0"
    assert of("CC-BY-4.0", "") == "other"
    assert of("CC-BY-4.0", "unheard-of") == "other"


def test_a_recipe_becomes_a_command_and_a_file_that_the_command_reads(tmp_path: Path) -> None:
    sources = [{"name": "lol"}, {"name": "custom", "degradation": "foggy", "seed": 3}]
    assert command({"preset": "universal"}) == "bench build-dataset --preset universal --raw DOWNLOADS --out DATASET"
    assert command({"preset": None, "sources": sources}) == "bench build-dataset --recipe sources.yaml --out DATASET"
    text = recipe_file({"preset": None, "sources": sources})
    assert yaml.safe_load(text)["sources"][1] == {"name": "custom", "path": "PATH", "degradation": "foggy", "seed": 3}
    (tmp_path / "sources.yaml").write_text(recipe_file({"sources": [{"name": name} for name in SOURCES]}))
    assert [name for name, _, _ in load_recipe(tmp_path / "sources.yaml")] == list(SOURCES)
    assert recipe_file({}) == ""


def test_croissant_names_every_file_with_its_digest(captioned: Path) -> None:
    told = json.loads((captioned / "croissant.json").read_text())
    files = {entry["contentUrl"]: entry for entry in told["distribution"] if entry["@type"] == "cr:FileObject"}
    there = [path for part in ("data/*", "captions/*.parquet") for path in captioned.glob(part)]
    assert set(files) == {path.relative_to(captioned).as_posix() for path in there}
    for path, entry in files.items():
        assert entry["sha256"] == sha256_file(captioned / path)
        assert entry["contentSize"] == f"{(captioned / path).stat().st_size} B"
    assert "date" not in json.dumps(told).lower().replace("update", "")


def test_croissants_own_library_reads_the_pairs_and_captions(captioned: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(captioned / "croissant.json"))
    issues = dataset.metadata.issues
    assert not issues.errors
    assert [text for text in issues.warnings if "datePublished" not in text] == []
    assert "not standard" not in caplog.text
    rows = {row["pairs/key"]: row for row in dataset.records("pairs")}
    expected = [row for split in ("train", "test") for row in Dataset(captioned).index(split)]
    assert {key.decode() for key in rows} == {row["key"] for row in expected}
    first = rows[b"gopro/train/0"]
    assert first["pairs/degraded"].size == (32, 24)
    assert first["pairs/degradations"] == [b"motion-blurry"]
    assert first["pairs/width"] == 32
    captions = list(dataset.records("captions"))
    assert len(captions) == len(expected)
    assert captions[0]["captions/text"].decode().endswith("motion-blurry")
    assert [row["splits/pairs"] for row in dataset.records("splits")] == [10, 4]


def test_a_shard_that_cannot_be_read_is_told_in_one_sentence(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "copy")
    shard = next((tmp_path / "copy" / "data").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-40] + bytes(40))
    with pytest.raises(UserError, match=r"cannot be read \(.*\): run bench verify on the dataset"):
        refresh(tmp_path / "copy")
