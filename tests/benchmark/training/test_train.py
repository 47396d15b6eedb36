"""`bench train` beyond the chain: validation, starting weights, signals, and what it says."""

from __future__ import annotations

import importlib.util
import json
import signal
import time
from pathlib import Path

import pytest
from train_data import DACLIP, NAFNET, command, events, finish, losses, make_dataset, start

from benchmark.dataset.folder import Dataset
from benchmark.training.batches import held_out
from benchmark.training.cache.read import open_cache
from captioning.tables import read_captions, write_captions
from models.files import sha256_file
from models.weights.metadata import read_metadata


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a small dataset."""
    return make_dataset(tmp_path_factory.mktemp("train") / "dataset")


def train(data: Path, out: Path, *more: str, name: str = "nafnet") -> int:
    return command("train", name, "--data", str(data), "--out", str(out), *NAFNET, "--device", "cpu", *more)


def test_a_validation_split_is_scored_by_type(data: Path, tmp_path: Path) -> None:
    checked = "--set=validation={every: 2, per_type: 2, size: 48}"
    assert train(data, tmp_path / "run", "--max-steps", "4", checked) == 0
    found = [event for event in events(tmp_path / "run") if "validation/psnr" in event]
    assert [event["step"] for event in found] == [2, 4]
    kinds = {name.split("/")[2] for name in found[0] if name.count("/") == 2}
    assert kinds == {pair.degradation for pair in Dataset(data).pairs("test")}
    assert json.loads((tmp_path / "run" / "best.json").read_text())["score"] == pytest.approx(
        max(event["validation/psnr"] for event in found)
    )
    assert read_metadata(tmp_path / "run" / "best.safetensors")["step"] in (2, 4)


def test_what_is_held_out_is_never_trained_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import stepping

    kept_out = set(held_out(open_cache(Dataset(data), "train"), share=0.4).tolist())
    seen: dict[str, set[int]] = {"step": set(), "score": set()}
    for name in seen:
        old = getattr(stepping.Stepper, name)

        def look(self, batch, *rest, old=old, name=name):
            seen[name].update(batch["index"].tolist())
            return old(self, batch, *rest)

        monkeypatch.setattr(stepping.Stepper, name, look)
    checked = "--set=validation={every: 10, held_out: 0.4, size: 32}"
    assert train(data, tmp_path / "run", "--max-steps", "20", checked) == 0
    assert seen["score"] == kept_out
    assert kept_out
    assert not seen["step"] & kept_out
    assert len(seen["step"] | kept_out) == 20


def test_types_can_be_weighted(data: Path, tmp_path: Path) -> None:
    cache = open_cache(Dataset(data), "train")
    from models.training.stepping import Stepper

    seen: set[str] = set()
    step = Stepper.step
    with pytest.MonkeyPatch.context() as patch:

        def look(self, batch, number):
            seen.update(cache.rows[row]["degradation"] for row in batch["index"].tolist())
            return step(self, batch, number)

        patch.setattr(Stepper, "step", look)
        weights = dict.fromkeys(cache.positions(), 0) | {"noisy": 1, "hazy": 3}
        assert train(data, tmp_path / "run", "--max-steps", "4", f"--set=sampling={json.dumps(weights)}") == 0
    assert seen == {"noisy", "hazy"}


def test_phases_reach_the_batches(data: Path, tmp_path: Path) -> None:
    phases = "--set=progressive=[{from_step: 2, patch_size: 64, batch_size: 2}]"
    assert train(data, tmp_path / "run", "--max-steps", "4", phases) == 0
    assert len(losses(tmp_path / "run")) == 4


def test_a_finished_run_is_where_another_starts(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(data, tmp_path / "first", "--max-steps", "2") == 0
    assert train(data, tmp_path / "second", "--max-steps", "2", "--init", str(tmp_path / "first")) == 0
    assert "started from" in capsys.readouterr().err
    wider = ("--max-steps", "2", "--init", str(tmp_path / "first"), "--set=arch.middle_blocks=2")
    assert train(data, tmp_path / "third", *wider) == 2
    assert "add --partial to start from those that do" in capsys.readouterr().err
    assert train(data, tmp_path / "third", *wider, "--partial") == 0
    told = capsys.readouterr().err
    assert "not in the file, so freshly initialised: middle_blks.1." in told
    assert train(data, tmp_path / "fourth", "--max-steps", "2", "--partial") == 2


def test_the_recipe_is_printed_stored_and_inside_the_weights(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "run", "--max-steps", "2", "--precision", "bf16", "--set=clip_norm=2") == 0
    assert "precision: bf16\n" in capsys.readouterr().err
    metadata = read_metadata(tmp_path / "run" / "weights.safetensors")
    assert (metadata["recipe"]["precision"], metadata["recipe"]["clip_norm"]) == ("bf16", 2.0)
    assert "clip_norm: 2.0" in (tmp_path / "run" / "recipe.yaml").read_text()


@pytest.mark.parametrize("workers", ["0", "3"])
def test_threads_that_prepare_batches_change_nothing(workers: str, data: Path, tmp_path: Path) -> None:
    assert train(data, tmp_path / "one", "--max-steps", "3") == 0
    assert train(data, tmp_path / "other", "--max-steps", "3", "--workers", workers) == 0
    files = [tmp_path / kind / "weights.safetensors" for kind in ("one", "other")]
    assert sha256_file(files[0]) == sha256_file(files[1])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--device", "tpu"), "there is no device 'tpu'"),
        (("--set=validation={metric: psn, every: 1}", "--max-steps", "1"), "did you mean 'psnr'"),
        (("--set=validation={split: nothing, every: 1}", "--max-steps", "1"), "nothing"),
        (("--set=sampling={foggy: 1}", "--max-steps", "1"), "foggy"),
    ],
)
def test_a_mistake_is_one_sentence(more: tuple[str, ...], message: str, data: Path, tmp_path: Path, capsys) -> None:
    assert train(data, tmp_path / "run", *more) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="wandb is installed")
def test_weights_and_biases_is_only_used_where_it_is(data: Path, tmp_path: Path, capsys) -> None:
    assert train(data, tmp_path / "run", "--max-steps", "1", "--wandb", "project") == 2
    assert "pip install wandb, or leave --wandb away" in capsys.readouterr().err
    assert train(data, tmp_path / "run", "--max-steps", "1") == 0


@pytest.mark.long
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_status_and_says_how_to_go_on(
    number: int, status: int, data: Path, tmp_path: Path
) -> None:
    arguments = ("train", "nafnet", "--data", str(data), *NAFNET, "--max-steps", "300", "--device", "cpu")
    process = start(*arguments, "--out", str(tmp_path / "run"))
    while not (tmp_path / "run" / "events.jsonl").is_file() or len(losses(tmp_path / "run")) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    found, _, err = finish(process)
    assert found == status
    assert "the same command continues from there" in err
    assert "Traceback" not in err
    assert finish(start(*arguments, "--out", str(tmp_path / "run")))[0] == 0
    assert finish(start(*arguments, "--out", str(tmp_path / "whole")))[0] == 0
    files = [tmp_path / kind / "weights.safetensors" for kind in ("run", "whole")]
    assert sha256_file(files[0]) == sha256_file(files[1])


def test_new_captions_under_the_same_folder_are_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = make_dataset(tmp_path / "data"), tmp_path / "daclip"
    train = ("train", "daclip", "--data", str(data), "--out", str(out), "--max-steps", "1", *DACLIP)
    assert command(*train) == 0
    before = (out / "weights.safetensors").read_bytes()
    assert command(*train) == 0
    assert "captions_train_sha256" in json.loads((out / "manifest.json").read_text())["run"]["inputs"]
    for file in (data / "captions").rglob("train.parquet"):
        facts, rows = read_captions(file)
        for row in rows:
            row["caption"] += ", seen from above"
            row["text"] = f"{row['caption']}: {row['degradation']}"
        write_captions(file, rows, facts)
    capsys.readouterr()
    assert command(*train) == 2
    assert "captions_train_sha256" in capsys.readouterr().err
    assert (out / "weights.safetensors").read_bytes() == before
