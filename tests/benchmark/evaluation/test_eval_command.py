"""`bench eval`: several networks and protocols in one go, folders and zips of restored images, and bad input."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from eval_data import eval_dataset, small_weights

from benchmark.cli import main
from benchmark.dataset.folder import Dataset
from benchmark.results.restoration import read_results
from models.files import sha256_file
from models.images.pixels import encode_png, read


def run(*arguments: object) -> int:
    """Run `bench eval` and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main(["eval", *(str(argument) for argument in arguments)])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset, two weights files, and the degraded and the clean images as files."""
    root = tmp_path_factory.mktemp("eval")
    eval_dataset(root / "data", rows=2)
    small_weights(root, "nafnet")
    small_weights(root, "ir-sde")
    for pair in Dataset(root / "data").pairs("test"):
        for name, pixels in (("degraded", pair.degraded), ("clean", pair.clean)):
            file = root / name / f"{pair.key}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_png(pixels))
    return root


def results(boards: Path) -> dict[str, Any]:
    """Return what each result file holds, by its name."""
    return {f.name: json.loads(f.read_text()) for f in sorted((boards / "results").rglob("*.json"))}


def copied(place: Path, tmp_path: Path) -> Path:
    """Return a copy of the degraded images that a test may spoil."""
    return Path(shutil.copytree(place / "degraded", tmp_path / "restored"))


def test_several_networks_and_protocols_in_one_go_give_a_result_each_and_are_not_done_twice(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    networks = ("--network", "nafnet", "--weights", place / "nafnet-0.safetensors", "--network", "input", "--weights")
    common = ("--data", place / "data", "--protocol", "daclip", "--protocol", "restormer-y", "--leaderboards", tmp_path)
    assert run(*networks, "none", *common) == 0
    files = sorted((tmp_path / "results").rglob("*.*"))
    stems = [f"{name}.{protocol}" for name in ("input", "nafnet-0") for protocol in ("daclip", "restormer-y")]
    assert [file.name for file in files] == [".lock", *(f"{s}.{e}" for s in stems for e in ("json", "parquet"))]
    shown = capsys.readouterr().out
    assert "protocol daclip v1" in shown
    assert "protocol restormer-y v1" in shown
    digests = {file: sha256_file(file) for file in files}
    assert run(*networks, "none", *common) == 0
    assert {file: sha256_file(file) for file in files} == digests
    for result in read_results(tmp_path):
        path = tmp_path / "results" / "made" / f"{result.method.name}.{result.protocol.id}.parquet"
        rows = pq.read_table(path).to_pylist()
        by_type = [np.mean([r["psnr"] for r in rows if r["degradation"] == w]) for w in ("hazy", "noisy")]
        assert result.metrics["psnr"].number == pytest.approx(np.mean(by_type), abs=1e-12)
        assert result.cost.seconds_per_image is not None
        assert result.method.parameters == (0 if result.method.name == "input" else result.method.parameters)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--network", "input", "--network", "nafnet", "--weights", "x"), "2 --network and 1 --weights"),
        (("--network", "input", "--network", "input"), "two of the networks would write the result 'input'"),
        (("--weights", "x"), "--weights needs --network NAME"),
        (("--network", "nafnett"), "did you mean 'nafnet'"),
        (("--network", "input", "--protocol", "moddern"), "did you mean 'modern'"),
        (("--network", "input", "--nfe", "3"), "restores in one pass"),
        (("--restored", "x", "--network", "input", "--protocol", "modern"), "leave --network and --runs away"),
    ],
)
def test_options_that_do_not_fit_are_told_in_a_sentence(
    options: tuple[str, ...], message: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run("--data", place / "data", *options, "--leaderboards", tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert results(tmp_path) == {}


def test_restored_images_score_as_the_network_that_wrote_them_from_a_folder_and_from_a_zip(
    place: Path, tmp_path: Path
) -> None:
    weights = ("--network", "ir-sde", "--weights", place / "ir-sde-0.safetensors")
    protocols = ("--protocol", "daclip", "--protocol", "restormer-y")
    common = ("--data", place / "data", *protocols, "--leaderboards", tmp_path)
    assert run(*common, *weights, "--save-images", tmp_path / "images") == 0
    folder = tmp_path / "images" / "ir-sde-0"
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w") as archive:
        archive.writestr("__MACOSX/deep/._0.png", b"junk")
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, Path("deep") / file.relative_to(folder))
    assert run(*common, "--restored", folder, "--method", "ours") == 0
    assert run(*common, "--restored", tmp_path / "theirs.zip") == 0
    found = results(tmp_path)
    for protocol in ("daclip", "restormer-y"):
        network, ours, theirs = (found[f"{name}.{protocol}.json"] for name in ("ir-sde-0", "ours", "theirs"))
        assert ours["method"]["restored_digest"] == theirs["method"]["restored_digest"] is not None
        for metric in ("psnr", "ssim"):
            assert ours["metrics"][metric] == theirs["metrics"][metric] == network["metrics"][metric]
            assert ours["groups"] == network["groups"]


@pytest.mark.parametrize("names", ["keys", "hyphens"])
def test_names_may_be_keys_or_keys_with_hyphens(names: str, place: Path, tmp_path: Path) -> None:
    folder = copied(place, tmp_path)
    if names == "hyphens":
        flat = tmp_path / "flat"
        flat.mkdir()
        for file in folder.rglob("*.png"):
            shutil.copy(file, flat / file.relative_to(folder).as_posix().replace("/", "-"))
        folder = flat
    assert run("--data", place / "data", "--restored", folder, "--protocol", "modern", "--leaderboards", tmp_path) == 0
    assert run("--data", place / "data", "--protocol", "modern", "--leaderboards", tmp_path) == 0
    found = results(tmp_path)
    assert found[f"{folder.name}.modern.json"]["metrics"] == found["input.modern.json"]["metrics"]


def test_missing_and_further_images_are_counted_and_refused_unless_missing_ones_are_allowed(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = copied(place, tmp_path)
    (folder / "made/noisy/1.png").unlink()
    common = ("--restored", folder, "--data", place / "data", "--protocol", "modern", "--leaderboards", tmp_path)
    assert run(*common) == 2
    error = capsys.readouterr().err
    assert "1 image of the 4 images of made is missing (e.g. made/noisy/1)" in error
    assert "--allow-missing" in error
    assert results(tmp_path) == {}
    assert run(*common, "--allow-missing") == 0
    found = results(tmp_path)["restored.modern.json"]
    assert (found["n"], found["test_set"]["n"], found["groups"]["noisy"]["n"]) == (3, 4, 1)
    only = tmp_path / "only/made/noisy/0.png"
    only.parent.mkdir(parents=True)
    shutil.copy(folder / "made/noisy/0.png", only)
    assert run("--restored", tmp_path / "only", *common[2:], "--allow-missing") == 0
    assert results(tmp_path)["only.modern.json"]["groups"].keys() == {"noisy"}
    shutil.copy(folder / "made/noisy/0.png", folder / "made/noisy/7.png")
    assert run(*common, "--allow-missing") == 2
    assert "1 image belongs to none of the 4 images of made (e.g. made/noisy/7.png)" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "size"])
def test_a_bad_image_ends_it_with_its_name_and_leaves_no_result(
    damage: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = copied(place, tmp_path)
    bad = folder / "made/noisy/1.png"
    whole = bad.read_bytes()
    spoiled = {"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"no image"}
    spoiled["size"] = encode_png(read(bad)[:-1])
    bad.write_bytes(spoiled[damage])
    common = ("--restored", folder, "--data", place / "data", "--protocol", "modern", "--leaderboards", tmp_path)
    assert run(*common) == 2
    error = capsys.readouterr().err
    last = error.strip().splitlines()[-1]
    assert "noisy/1" in last
    assert "Traceback" not in error
    assert results(tmp_path) == {}
    bad.write_bytes(whole)
    assert run(*common) == 0
    assert list(results(tmp_path)) == ["restored.modern.json"]


def test_a_zip_that_is_none_and_names_that_collide_are_told(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = copied(place, tmp_path)
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 torn")
    common = ("--clean", place / "clean", "--protocol", "modern", "--leaderboards", tmp_path)
    assert run("--restored", tmp_path / "x.zip", *common) == 2
    assert "neither a folder nor a zip" in capsys.readouterr().err
    assert run("--restored", tmp_path / "nowhere", *common) == 2
    assert "folder or zip of images not found" in capsys.readouterr().err
    shutil.copy(folder / "made/noisy/1.png", folder / "made/noisy/1.jpg")
    assert run("--restored", folder, *common) == 2
    assert "keep one image of each name" in capsys.readouterr().err


def test_a_folder_against_clean_files_is_written_where_json_says_with_its_rows(place: Path, tmp_path: Path) -> None:
    common = ("--restored", place / "degraded", "--clean", place / "clean", "--leaderboards", tmp_path / "boards")
    assert run(*common, "--protocol", "modern", "--json", tmp_path / "one.json") == 0
    value = json.loads((tmp_path / "one.json").read_text())
    rows = pq.read_table(tmp_path / "one.parquet").to_pylist()
    assert value["metrics"]["psnr"]["value"] == pytest.approx(np.mean([row["psnr"] for row in rows]), abs=1e-12)
    assert (value["groups"], value["n"], value["test_set"]["name"]) == ({}, 4, "clean")
    assert results(tmp_path / "boards") == {}
    assert run(*common, "--protocol", "modern", "--protocol", "promptir", "--json", tmp_path / "two.json") == 0
    names = {file.name for file in tmp_path.glob("two.*.json")}
    assert names == {"two.degraded.modern.json", "two.degraded.promptir.json"}


def test_a_second_evaluation_at_the_same_time_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "results").mkdir()
    with open(tmp_path / "results" / ".lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert run("--data", place / "data", "--leaderboards", tmp_path) == 2
    assert "another process is writing to" in capsys.readouterr().err
    assert run("--data", place / "data", "--leaderboards", tmp_path) == 0


@pytest.mark.parametrize("limit", [1_000, 12_000])
def test_a_full_disk_ends_it_in_a_sentence_and_leaves_what_was_there(limit: int, place: Path, tmp_path: Path) -> None:
    assert run("--data", place / "data", "--leaderboards", tmp_path) == 0
    before = {file: file.read_bytes() for file in (tmp_path / "results" / "made").iterdir()}
    assert len(before) == 2
    # No file may grow beyond the limit, which the system tells like a disk without space.
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "from benchmark.cli import main; main(sys.argv[1:])"
    )
    files = ["--restored", place / "degraded", "--data", place / "data", "--leaderboards", tmp_path]
    options = [str(part) for part in (*files, "--method", "input", "--protocol", "daclip")]
    done = subprocess.run([sys.executable, "-c", code, "eval", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("bench: ") for line in done.stderr.splitlines()) == 1
    assert {file: file.read_bytes() for file in (tmp_path / "results" / "made").iterdir()} == before
    assert run(*files, "--method", "input", "--protocol", "daclip") == 0
    assert results(tmp_path)["input.daclip.json"]["method"]["restored_digest"] is not None
