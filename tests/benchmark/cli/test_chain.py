"""The chain at tiny size: build, caption, train, resume, evaluate, restore, through the command line."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from benchmark.building.run import build_dataset
from benchmark.cli import bench, main
from benchmark.dataset.folder import Dataset
from benchmark.sources import SOURCES
from models.files import sha256_file
from models.images.pixels import encode_png, read
from models.recipes import RECIPES
from models.weights.metadata import read_metadata

CHAINED = [name for name, card in RECIPES.items() if "unified" not in card.presets]
"""The paper's own recipes; those of other networks are trained in tests/models, without a dataset."""
CLIP = {
    "clip.embed_dim": 32,
    "clip.vision_cfg.width": 32,
    "clip.vision_cfg.layers": 1,
    "clip.text_cfg.width": 32,
    "clip.text_cfg.layers": 1,
}
SMALL = {
    "daclip": [f"--set=arch.{key}={value}" for key, value in CLIP.items()] + ["--set=batch_size=8"],
    "nafnet": ["--set=arch.width=8", "--set=patch_size=64", "--set=batch_size=2"],
    "ir-sde": ["--set=arch.multipliers=[2, 2]", "--set=patch_size=16", "--set=batch_size=2", "--set=sde.steps=3"],
}


def run(*arguments: str) -> int:
    """Run the command line and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small dataset with two training pairs and two test pairs of each type, with captions."""
    folder = tmp_path_factory.mktemp("chain") / "dataset"
    samples = [
        sample
        for _, same in groupby(SOURCES.load("demo")(None), key=lambda s: (s.split, s.degradation))
        for sample in list(same)[:2]
    ]
    build_dataset(samples, folder, recipe={})
    assert run("caption", str(folder), "--captioner", "sidecar") == 0
    return folder


def train(name: str, data: Path, out: Path, *more: str) -> int:
    needs = ["--daclip", str(out.parent / "daclip")] if RECIPES[name].needs else []
    small = SMALL[{"daclip": "daclip", "diffusion": "ir-sde"}.get(RECIPES[name].task, "nafnet")]
    return run("train", name, "--data", str(data), "--out", str(out), "--preset", "demo", *small, *needs, *more)


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the recipes for three steps."""
    folder = tmp_path_factory.mktemp("runs")
    for name in CHAINED:
        assert train(name, data, folder / name, "--max-steps", "3") == 0
    return folder


@pytest.mark.parametrize("name", CHAINED)
def test_every_recipe_writes_weights_that_tell_where_they_come_from(name: str, runs: Path, data: Path) -> None:
    metadata = read_metadata(runs / name / "weights.safetensors")
    assert metadata["recipe"]["name"] == name
    assert metadata["recipe"]["steps"] == metadata["step"] == 3
    assert metadata["dataset"]["digest"] == Dataset(data).digest
    events = [json.loads(line) for line in (runs / name / "events.jsonl").read_text().splitlines()]
    assert events[-1]["step"] == 3
    assert np.isfinite(events[-1]["loss"])


@pytest.mark.parametrize("name", CHAINED)
def test_a_run_stopped_half_way_ends_with_the_same_weights(
    name: str, runs: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.training import saving

    if RECIPES[name].needs:
        (tmp_path / "daclip").symlink_to(runs / "daclip")
    more = ("--max-steps", "5", "--set=save_every=2")
    assert train(name, data, tmp_path / f"{name}-whole", *more) == 0
    save = saving.write_checkpoint

    def save_and_die(folder, state, *, keep):
        save(folder, state, keep=keep)
        if state["step"] == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(saving, "write_checkpoint", save_and_die)
        assert train(name, data, tmp_path / f"{name}-stopped", *more) == 130
    assert not (tmp_path / f"{name}-stopped" / "manifest.json").exists()
    assert train(name, data, tmp_path / f"{name}-stopped", *more) == 0
    whole, stopped = (tmp_path / f"{name}-{kind}" / "weights.safetensors" for kind in ("whole", "stopped"))
    assert sha256_file(whole) == sha256_file(stopped)


def test_another_recipe_in_the_same_folder_is_refused(runs: Path, data: Path, capsys: pytest.CaptureFixture) -> None:
    before = sha256_file(runs / "nafnet" / "weights.safetensors")
    assert train("nafnet", data, runs / "nafnet", "--max-steps", "4") == 2
    assert "holds another run (recipe steps: 3 there, 4 wanted)" in capsys.readouterr().err
    assert sha256_file(runs / "nafnet" / "weights.safetensors") == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lrr=1", "did you mean 'lr'"),
        ("stepps=1", "did you mean 'steps'"),
        ("steps=many", "steps: "),
        ("steps", "not of the form key=value"),
    ],
)
def test_a_mistyped_setting_is_named(override: str, message: str, data: Path, tmp_path: Path, capsys) -> None:
    assert run("train", "nafnet", "--data", str(data), "--out", str(tmp_path / "x"), "--set", override) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_evaluation_of_all_runs_and_the_input_writes_a_leaderboard(runs: Path, data: Path, tmp_path: Path) -> None:
    boards = tmp_path / "leaderboards"
    common = ("--data", str(data), "--runs", str(runs), "--leaderboards", str(boards))
    assert run("eval", "--table", "3", *common) == 0
    names = {p.name for p in (boards / "results" / "demo").glob("*.json")}
    assert names == {f"{n}.daclip.json" for n in ("input", *CHAINED) if n != "daclip"}
    sampled = json.loads((boards / "results" / "demo" / "ir-sde-daclip.daclip.json").read_text())
    process = {"steps": 3, "max_sigma": 50.0, "schedule": "cosine", "eps": 0.005}
    assert sampled["sampler"] == {"name": "posterior", "nfe": 3, "prediction": "data", "sde": process}
    assert (sampled["cost"]["nfe"], sampled["seed"]) == (3, 0)
    before = {p: sha256_file(p) for p in (boards / "results").rglob("*.*")}
    assert run("eval", "--table", "3", *common) == 0
    assert {p: sha256_file(p) for p in (boards / "results").rglob("*.*")} == before
    assert run("eval", "--table", "classification", *common) == 0
    assert run("leaderboard", "--leaderboards", str(boards)) == 0
    assert run("leaderboard", "--leaderboards", str(boards), "--check") == 0
    page = (boards / "table-3.md").read_text(encoding="utf-8")
    assert "27.22" in page
    assert "NAFNet + DA-CLIP" in page
    assert "IR-SDE + DA-CLIP" in page
    (boards / "table-3.md").write_text(page + "x", encoding="utf-8")
    assert run("leaderboard", "--leaderboards", str(boards), "--check") == 1


def test_another_sampler_gives_a_result_of_its_own_that_says_how(runs: Path, data: Path, tmp_path: Path) -> None:
    boards = tmp_path / "leaderboards"
    one = ("--data", str(data), "--network", "ir-sde", "--weights", str(runs / "ir-sde"), "--leaderboards", str(boards))
    way = ("--sampler", "mr-sde-1", "--nfe", "2", "--prediction", "noise")
    assert run("eval", *one, *way, "--seed", "4") == 0
    path = boards / "results" / "demo" / "ir-sde-mr-sde-1-noise-nfe2.daclip.json"
    result = json.loads(path.read_text())
    assert (result["sampler"]["name"], result["sampler"]["nfe"], result["sampler"]["prediction"]) == (
        "mr-sde-1",
        2,
        "noise",
    )
    assert (result["seed"], result["cost"]["nfe"]) == (4, 2)
    before = sha256_file(path)
    assert run("eval", *one, *way, "--seed", "4") == 0
    assert sha256_file(path) == before
    assert run("eval", *one, *way, "--seed", "5") == 0
    other = json.loads(path.read_text())
    assert other["seed"] == 5
    assert other["metrics"]["psnr"]["value"] != result["metrics"]["psnr"]["value"]
    assert run("eval", *one, "--nfe", "1", "--json", str(tmp_path / "once.json")) == 0
    once = json.loads((tmp_path / "once.json").read_text())
    assert once["sampler"]["name"] == "posterior"
    assert other["cost"]["flops"] == 2 * once["cost"]["flops"] > 0
    assert run("eval", *one[:2], "--network", "input", *way, "--leaderboards", str(boards)) == 2


def test_a_folder_of_restored_images_is_scored_like_the_network(data: Path, tmp_path: Path) -> None:
    for pair in Dataset(data).pairs("test"):
        for name, pixels in (("degraded", pair.degraded), ("clean", pair.clean)):
            file = tmp_path / name / f"{pair.key.replace('/', '-')}.png"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(encode_png(pixels))
    folders = ("--restored", str(tmp_path / "degraded"), "--clean", str(tmp_path / "clean"))
    assert run("eval", *folders, "--protocol", "daclip", "--json", str(tmp_path / "folder.json")) == 0
    boards = ("--leaderboards", str(tmp_path / "lb"))
    assert run("eval", "--table", "3", "--data", str(data), *boards, "--json", str(tmp_path / "network.json")) == 0
    folder, network = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("folder", "network"))
    assert folder["protocol"] == network["protocol"] == {"id": "daclip", "version": 1}
    assert folder["n"] == network["n"] == 20
    # Two pairs a type, so the mean over images is the mean over types; 8-bit files round-trip exactly.
    for metric in ("psnr", "ssim"):
        assert folder["metrics"][metric]["value"] == pytest.approx(network["metrics"][metric]["value"], abs=1e-9)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16", "1x1"])
def test_restore_takes_every_kind_of_image(mode: str, runs: Path, tmp_path: Path) -> None:
    from PIL import Image

    size = (1, 1) if mode == "1x1" else (37, 21)
    source = tmp_path / "in.png"
    Image.new("RGB" if mode == "1x1" else mode, size, 90).save(source)
    out = tmp_path / "out.png"
    network = "nafnet-daclip"
    assert run("restore", str(source), str(out), "--network", network, "--weights", str(runs / network)) == 0
    assert read(out).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["restore", "absent.png", "o.png", "--network", "input"], "IN not found: absent.png"),
        (["restore", "absent.png", "o.png", "--network", "nafnett"], "did you mean 'nafnet'"),
        (["restore", "x", "y", "--network", "nafnet", "--nfe", "5"], "in one pass"),
        (["verify", "absent"], "dataset folder not found: absent"),
        (["caption", "absent"], "dataset folder not found: absent"),
        (["train", "nafnet", "--data", "absent", "--out", "r"], "dataset folder not found: absent"),
        (["train", "naf", "--data", "absent", "--out", "r"], "did you mean 'nafnet'"),
        (["eval"], "give either --data DATASET"),
        (["eval", "--table", "9", "--data", "x"], "there is no table called '9'"),
        (["eval", "--restored", "a", "--clean", "b", "--protocol", "dacli"], "did you mean 'daclip'"),
        (["build-dataset", "--out", "o"], "nothing to build"),
        (["build-dataset", "--source", "lol", "--out", "o"], "expected lol=PATH"),
        (["build-dataset", "--source", "loll=x", "--out", "o"], "did you mean 'lol'"),
        (["build-dataset", "--source", "lol=absent", "--out", "o"], "absent not found: name its folder, zip or tar"),
        (["traim"], "did you mean 'train'"),
    ],
)
def test_a_users_mistake_ends_with_a_sentence_and_status_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_every_command_explains_itself(capsys: pytest.CaptureFixture) -> None:
    import click

    context = click.Context(bench, info_name="bench")
    for name in bench.list_commands(context):
        assert run(name, "--help") == 0
        assert len(capsys.readouterr().out) > 200


@pytest.mark.parametrize(
    ("source", "folder", "table", "expected", "paper_count"),
    [("rain100h", "Rain100H", "2a", 13.55, 100), ("lol", "LOL_eval15", "2b", 7.77, 15)],
)
@pytest.mark.slow
def test_the_degraded_input_of_real_test_sets_scores_as_published(
    source: str, folder: str, table: str, expected: float, paper_count: int, shared: Path, tmp_path: Path
) -> None:
    from skimage.color import rgb2ycbcr
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    raw = shared / "reference" / "data" / folder
    assert run("build-dataset", f"--source={source}={raw}", "--out", str(tmp_path / "d"), "--workers", "2") == 0
    places = ("--data", str(tmp_path / "d"), "--leaderboards", str(tmp_path / "lb"))
    assert run("eval", "--table", table, *places, "--json", str(tmp_path / "r.json")) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["n"] == paper_count
    assert round(result["metrics"]["psnr"]["value"], 2) == expected
    psnr, ssim = [], []
    for pair in Dataset(tmp_path / "d").pairs("test"):
        a, b = pair.degraded, pair.clean
        if table == "2a":
            a, b = (rgb2ycbcr(x)[..., 0] for x in (a, b))
        psnr.append(peak_signal_noise_ratio(b, a, data_range=255))
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        whole = structural_similarity(
            b.astype(float), a.astype(float), channel_axis=2 if a.ndim == 3 else None, full=True, **options
        )[1]
        ssim.append(whole[5:-5, 5:-5].mean())
    assert result["metrics"]["psnr"]["value"] == pytest.approx(np.mean(psnr), abs=1e-6)
    assert result["metrics"]["ssim"]["value"] == pytest.approx(np.mean(ssim), abs=1e-6)
