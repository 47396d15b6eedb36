"""`bench runs`: what run folders tell, compared and drawn."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train_data import command

from benchmark.report.curves import curves_figure
from benchmark.training.runs import differences, find_runs, read_run
from models.errors import UserError
from models.files import single_writer, write_json, write_sealed, write_text


def made_run(folder: Path, *, seed: int, losses: list[float], finished: bool, note: str = "started") -> Path:
    recipe = {"name": "nafnet", "preset": "demo", "steps": 10, "seed": seed, "optimizer": {"lr": 0.1 * (seed + 1)}}
    described = {"recipe": recipe, "dataset": {"name": "demo", "digest": "x"}}
    write_sealed(folder / "run.json", described)
    lines = [{"step": 0, "event": note, "processes": 2}]
    lines += [{"step": n + 1, "loss": loss, "images_per_second": 5.0} for n, loss in enumerate(losses)]
    write_text(folder / "events.jsonl", "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "lo')
    if finished:
        manifest = {"schema": 1, "run": described, "weights_sha256": "0" * 64, "steps": len(losses), "tool": "1"}
        write_sealed(folder / "manifest.json", manifest)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Write a finished and an interrupted run."""
    made_run(tmp_path / "runs" / "a", seed=0, losses=[3.0, 2.0, 1.0], finished=True)
    made_run(tmp_path / "runs" / "b", seed=1, losses=[3.0, 2.5], finished=False)
    return tmp_path / "runs"


def test_runs_are_listed_with_state_and_numbers(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sealed(runs / "a" / "best.json", {"step": 2, "score": 21.5, "scores": {"psnr": 21.5}})
    assert command("runs", str(runs)) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "recipe", "data", "state", "step", "loss", "best", "images/s"]
    assert first.split() == ["a", "nafnet/demo", "demo", "finished", "3/10", "1", "21.5", "at", "2", "5"]
    assert second.split() == ["b", "nafnet/demo", "demo", "interrupted", "2/10", "2.5", "-", "5"]
    assert command("runs", str(runs), "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["loss"] for entry in listed] == [1.0, 2.5]


def test_the_state_is_what_the_folder_shows(runs: Path) -> None:
    folder = runs / "b"
    with single_writer(folder):
        assert read_run(folder).state == "running"
    assert read_run(folder).state == "interrupted"
    write_json(folder / "bad_batch.json", {})
    assert read_run(folder).state == "failed"
    assert read_run(made_run(runs / "c", seed=0, losses=[], finished=False, note="stopped")).state == "stopped"
    assert (
        read_run(made_run(runs / "d", seed=0, losses=[], finished=True, note="stopped early")).state == "stopped early"
    )


def test_differences_are_named_in_dotted_form(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert differences(find_runs([runs])) == {"seed": ["0", "1"], "optimizer.lr": ["0.1", "0.2"]}
    assert command("runs", str(runs / "a"), str(runs / "b"), "--compare") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["a", "b"]
    assert ["seed", "0", "1"] in lines
    assert ["last", "loss", "1", "2.5"] in lines


def test_curves_are_drawn_and_the_same_each_time(runs: Path, tmp_path: Path) -> None:
    assert command("runs", str(runs), "--plot", str(tmp_path / "loss.png")) == 0
    data = (tmp_path / "loss.png").read_bytes()
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3)
    colours = {tuple(pixel) for pixel in np.unique(pixels, axis=0).tolist()}
    assert {(31, 119, 180), (255, 127, 14)} <= colours  # the first two lines of matplotlib
    found = find_runs([runs])
    assert curves_figure(found, "loss", labels=["a", "b"]) == data
    assert found[0].series("loss") == ([1, 2, 3], [3.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent",), "run folder not found: absent"),
        (("empty",), "empty holds no run"),
        (("runs", "--plot", "x.jpg"), "name one that ends in .png"),
        (("runs", "--plot", "x.png", "--value", "los"), "did you mean 'loss'"),
        (("runs/a", "--compare"), "needs two runs or more"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: tuple[str, ...], message: str, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (runs.parent / "empty").mkdir()
    monkeypatch.chdir(runs.parent)
    assert command("runs", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(runs.parent.glob("x.*"))


def test_a_folder_without_a_description_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run description not found"):
        read_run(tmp_path)
