"""`bench caption`: models and existing texts, sets side by side, damage, refusals, the same bytes on a cluster."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_data import build
from small_datasets import small_dataset
from trees import tree_digest

from benchmark.cli import main
from benchmark.dataset.folder import Dataset
from benchmark.speed.random_blip import SIZES, BlipSize, save_random_blip
from models.files import read_json, sha256_file, single_writer, write_json, write_sealed

TINY = BlipSize(image=32, vision=(32, 1, 2), text=(32, 1, 2), vocabulary=50)


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "blip"
    save_random_blip(folder, TINY)
    return folder


def bench(*arguments: str | Path) -> int:
    """Run `bench` in this process and return its exit status."""
    argv = sys.argv
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = argv
    return 0


def test_a_models_folder_captions_every_split(blip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = small_dataset(tmp_path / "data")
    assert bench("caption", data, "--captioner", blip, "--batch-size", "3", "--workers", "1") == 0
    out = capsys.readouterr().out
    assert "train: 10 texts from 10 unique clean images" in out
    assert "14 images captioned in this run" in out
    rows = Dataset(data).captions("train")
    assert {row["captioner"] for row in rows} == {"folder:blip"}
    assert all(row["revision"].startswith("sha256:") for row in rows)
    assert all(row["text"] == f"{row['caption']}: {row['degradation']}" for row in rows)
    before = tree_digest(data)
    assert bench("caption", data, "--captioner", blip, "--batch-size", "16") == 0
    assert "0 images captioned in this run" in capsys.readouterr().out
    assert tree_digest(data) == before


def test_another_model_is_kept_beside_the_one_in_use(
    blip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = small_dataset(tmp_path / "data", sources=("lol",))
    assert bench("caption", data, "--captioner", blip) == 0
    first = Dataset(data).captions("test")
    shorter = ("caption", data, "--captioner", blip, "--max-new-tokens", "2")
    assert bench(*shorter) == 0
    assert "add --replace to use these instead" in capsys.readouterr().out
    assert Dataset(data).captions("test") == first
    assert bench(*shorter, "--replace") == 0
    assert Dataset(data).captions("test") != first
    assert len([folder for folder in (data / "captions").iterdir() if folder.is_dir()]) == 2


def test_a_damaged_clean_image_is_told_with_status_1_and_the_rest_captioned(
    blip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = small_dataset(tmp_path / "data", sources=("lol",))
    whole = small_dataset(tmp_path / "whole", sources=("lol",))
    shard = Dataset(data).shards("train")[0]
    table = pq.read_table(shard)
    rows = table.to_pylist()
    rows[1]["clean"]["bytes"] = rows[1]["clean"]["bytes"][:60]
    pq.write_table(type(table).from_pylist(rows, table.schema), shard)
    for folder, status in ((data, 1), (whole, 0)):
        assert bench("caption", folder, "--captioner", blip) == status
    told = capsys.readouterr().err
    assert f"no caption for {rows[1]['key']}: its bytes are not those that the dataset was built with" in told
    assert "run bench verify" in told
    found = pq.read_table(data / "captions" / "train.parquet").to_pylist()
    assert found == [row for row in Dataset(whole).captions("train") if row["key"] != rows[1]["key"]]


def test_a_second_captioning_process_is_refused(blip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = small_dataset(tmp_path / "data", sources=("lol",))
    with single_writer(data):
        assert bench("caption", data, "--captioner", blip) == 2
    assert f"another process is writing to {data}" in capsys.readouterr().err
    assert not (data / "captions").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--captioner", "blip-larg"], "did you mean 'blip-large'?"),
        (["--captioner", "no/such/folder"], "captioner folder not found: no/such/folder"),
        (["--captioner", "someone/model"], "hf download someone/model --local-dir FOLDER"),
        (["--captioner", "sidecar"], "brought captions: use --captioner blip-large"),
        (["--captioner", "csv"], "expected csv:PATH"),
        (["--captioner", "blip-base"], "hf download Salesforce/blip-image-captioning-base --revision 82a3776"),
        (["--address", "auto"], "add --engine ray"),
        (["--device", "cuda:99"], "there is no device 'cuda:99' here"),
    ],
)
def test_a_mistake_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    data = small_dataset(tmp_path / "data", sources=("lol",), rows=1)
    assert bench("caption", data, *options) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_cluster_ends_with_the_same_bytes(blip: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    here, there = (small_dataset(tmp_path / name) for name in ("here", "there"))
    assert bench("caption", here, "--captioner", blip) == 0
    assert bench("caption", there, "--captioner", blip, "--batch-size", "3", "--engine", "ray") == 0
    assert tree_digest(there / "captions") == tree_digest(here / "captions")


@pytest.mark.slow
def test_bench_caption_is_several_times_as_fast_as_the_plain_loop() -> None:
    from benchmark.speed.caption import caption_speed

    measured = caption_speed(large=False)
    assert measured["models"]["small"]["rows"] == 133
    assert measured["models"]["small"]["different_captions"] > 20
    # Four times is the aim on a quiet machine; a test shares its processors with others.
    assert measured["ratio"] > 2


@pytest.mark.parametrize(("size", "millions"), [("base", 224), ("large", 446)])
def test_the_measured_shapes_are_those_of_the_published_models(size: str, millions: int) -> None:
    """Parameters by the shape alone: attention and feed-forward matrices, embeddings, and cross-attention."""
    s = SIZES[size]
    (v, v_layers, _), (t, t_layers, _) = s.vision, s.text
    vision = v_layers * 12 * v * v + 3 * 16 * 16 * v
    text = t_layers * (14 * t * t + 2 * v * t) + (s.vocabulary + 512) * t
    assert abs((vision + text) / 1e6 - millions) < 0.01 * millions


@pytest.mark.parametrize("damage", ["bytes", "columns", "place", "gone"])
def test_captions_of_sources_are_compared_with_the_manifest(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = build(tmp_path, count=1).folder
    shutil.rmtree(data / "captions")
    file = data / "sidecar" / "train.parquet"
    manifest = read_json(data / "manifest.json", "manifest")
    if damage == "gone":
        file.unlink()
    elif damage == "bytes":
        file.write_bytes(file.read_bytes()[:-20] + bytes(20))
    elif damage == "columns":
        pq.write_table(pa.table({"key": [1], "caption": [[2]]}), file)
        manifest["sidecar"]["train"]["sha256"] = sha256_file(file)
    else:
        manifest["sidecar"]["train"]["file"] = "../sidecar.parquet"
        shutil.copy(file, tmp_path / "sidecar.parquet")
    (write_sealed if "seal" in manifest else write_json)(data / "manifest.json", manifest)
    assert bench("caption", data, "--captioner", "sidecar") == 2
    told = capsys.readouterr().err
    assert "sidecar" in told
    assert "Traceback" not in told
    assert not list(data.glob("captions/*.parquet"))


def test_captions_are_not_written_through_a_link(blip: Path, tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data", sources=("lol",), rows=1)
    for name in (".lock", "captions"):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        target = tmp_path / "elsewhere" / name
        target.write_text("mine") if name == ".lock" else target.mkdir()
        (data / name).unlink(missing_ok=True)
        (data / name).symlink_to(target)
        assert bench("caption", data, "--captioner", blip) == 2
        (data / name).unlink()
    assert (tmp_path / "elsewhere" / ".lock").read_text() == "mine"
    assert not list((tmp_path / "elsewhere" / "captions").iterdir())
