"""Scores during training: by type, over processes, for the best weights and an early stop; losses that go astray."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from training_runs import made_batches, run, tiny_recipe

from models.errors import UserError
from models.files import sha256_file
from models.inference.loading import load_restorer
from models.training.callbacks import Callbacks
from models.training.checkpoint import checkpoint_files
from models.training.devices import make_fabric
from models.training.recipe import Recipe
from models.training.settings import Validation
from models.training.tasks.contract import Batch, Scores
from models.training.tasks.scores import image_psnr
from models.training.validate import Best, run_validation
from models.training.watch import LossWatch
from models.weights.opened import load_state


def events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def held_out() -> Iterator[Mapping[str, Any]]:
    """Yield two batches of unequal size: five noisy images and one hazy one, of a size that needs padding."""
    for number, kinds in enumerate((["noisy"] * 3, ["noisy", "noisy", "hazy"])):
        clean = torch.rand(3, 3, 30, 34, generator=torch.Generator().manual_seed(100 + number))
        yield {"degraded": clean / 2, "clean": clean, "degradation": kinds, "index": torch.arange(3)}


def test_the_score_is_the_psnr_of_an_independent_library() -> None:
    generator = torch.Generator().manual_seed(0)
    restored, clean = (
        torch.rand(2, 3, 8, 9, generator=generator) * 1.2 - 0.1,
        torch.rand(2, 3, 8, 9, generator=generator),
    )
    found = image_psnr(restored, clean)
    for row in range(2):
        a, b = ((x[row].clamp(0, 1) * 255).round().numpy().astype(np.uint8) for x in (restored, clean))
        assert found[row].item() == pytest.approx(peak_signal_noise_ratio(b, a), abs=1e-6)
    assert image_psnr(clean, clean).tolist() == pytest.approx([148.13, 148.13], abs=0.01)  # capped, never infinite


def test_types_weigh_the_same_and_images_are_shown() -> None:
    def score(batch: Mapping[str, Tensor]) -> Scores:
        return Scores({"psnr": batch["clean"].mean(dim=(1, 2, 3))}, batch["degraded"])

    result = run_validation(score, held_out, make_fabric(), images=1)
    means = [image.mean().item() for batch in held_out() for image in batch["clean"]]
    assert result.numbers["psnr/noisy"] == pytest.approx(np.mean(means[:5]))
    assert result.numbers["psnr/hazy"] == pytest.approx(means[5])
    assert result.numbers["psnr"] == pytest.approx((np.mean(means[:5]) + means[5]) / 2)
    assert [tuple(image.shape) for image in result.images] == [(3, 30, 3 * 34)] * 2


def validated(name: str, settings: str, out: Path, *more: str, steps: int = 6) -> list[dict[str, Any]]:
    recipe = tiny_recipe(name, f"validation={settings}", *more, steps=steps)
    run(recipe, out, callbacks=Callbacks(validation=held_out))
    return [event for event in events(out) if "validation/psnr" in event]


@pytest.mark.parametrize("name", ["nafnet", "ir-sde"])
def test_validation_is_logged_and_changes_nothing(name: str, tmp_path: Path) -> None:
    found = validated(name, "{every: 2, nfe: 2}", tmp_path / "checked")
    assert [event["step"] for event in found] == [2, 4, 6]
    assert set(found[0]) == {"step", "validation/psnr", "validation/psnr/noisy", "validation/psnr/hazy"}
    run(tiny_recipe(name, steps=6), tmp_path / "plain")
    states = [load_state(tmp_path / kind / "weights.safetensors") for kind in ("checked", "plain")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])
    assert list((tmp_path / "checked" / "tensorboard").iterdir())


def test_the_best_weights_are_those_of_the_best_score(tmp_path: Path) -> None:
    # A rate far too high after the start makes the beginning the best.
    found = validated("nafnet", "{every: 1}", tmp_path, "optimizer.lr=0.2", "ema={decay: 0.5}")
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["score"] == max(event["validation/psnr"] for event in found)
    assert best["step"] == max(found, key=lambda event: event["validation/psnr"])["step"]
    (tmp_path / "best").mkdir()
    (tmp_path / "best.safetensors").rename(tmp_path / "best" / "weights.safetensors")
    restorer = load_restorer("nafnet", tmp_path / "best")
    with torch.no_grad():
        psnr = [
            image_psnr(restorer(batch["degraded"][..., :28, :32]), batch["clean"][..., :28, :32])
            for batch in held_out()
        ]
    assert torch.cat(psnr).mean().item() == pytest.approx(best["score"], abs=1.5)


def test_a_run_that_no_longer_improves_stops(tmp_path: Path) -> None:
    recipe = tiny_recipe("nafnet", "validation={every: 1, patience: 2, better: less}", "losses={l1: 1}", steps=40)
    said: list[str] = []
    manifest = run(recipe, tmp_path, callbacks=Callbacks(validation=held_out, say=said.append))
    best = json.loads((tmp_path / "best.json").read_text())
    assert manifest["steps"] == best["step"] + 2 < 40
    assert said == [f"stopped at step {manifest['steps']}: no better than at step {best['step']} (best.safetensors)"]
    again = sha256_file(tmp_path / "weights.safetensors")
    assert run(recipe, tmp_path, callbacks=Callbacks(validation=held_out))["weights_sha256"] == again


def test_the_best_of_either_direction() -> None:
    more, less = (Best(Validation.model_validate({"better": way, "patience": 1})) for way in ("more", "less"))
    assert [more.update(n, {"psnr": v}) for n, v in enumerate([1.0, 2.0, 2.0])] == [True, True, False]
    assert more.exhausted
    assert [less.update(n, {"psnr": v}) for n, v in enumerate([1.0, 2.0, 0.5])] == [True, False, True]
    assert not less.exhausted
    with pytest.raises(UserError, match="psn is no score of this task - did you mean 'psnr'"):
        Best(Validation(metric="psn")).update(1, {"psnr": 1.0})


def test_validation_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is nothing to validate: set validation=null"):
        run(tiny_recipe("nafnet", "validation={every: 1}"), tmp_path)
    assert not (tmp_path / "run.json").exists()


def poisoned(recipe: Recipe, step: int, value: float):
    """Return made-up batches of which one is spoilt."""
    good = made_batches(recipe)

    def batches(start: int) -> Iterator[Batch]:
        for number, batch in enumerate(good(start), start=start):
            spoilt = {**batch, "clean": batch["clean"].clone()}
            if number == step:
                spoilt["clean"][1] = value
            yield spoilt

    return batches


def test_a_loss_that_is_no_number_stops_and_names_its_pairs(tmp_path: Path) -> None:
    recipe = tiny_recipe("nafnet", "log_every=5", "save_every=3", steps=20)
    callbacks = Callbacks(keys=lambda rows: [f"pair-{row}" for row in rows])
    with pytest.raises(
        UserError, match=r"the loss became nan at step 8 of nafnet: look at the pairs in .*bad_batch.json"
    ):
        run(recipe, tmp_path, batches=poisoned(recipe, 7, torch.nan), callbacks=callbacks)
    told = json.loads((tmp_path / "bad_batch.json").read_text())
    assert (told["step"], told["loss"], told["rows"]) == (8, "nan", [21, 22, 23])
    assert told["keys"] == ["pair-21", "pair-22", "pair-23"]
    newest, *_ = checkpoint_files(tmp_path)
    state = torch.load(newest, weights_only=True)
    assert state["step"] == 6
    assert all(torch.isfinite(value).all() for value in state["module"]["parameters"].values())
    run(recipe, tmp_path)
    assert events(tmp_path)[-1]["step"] == 20


def test_a_loss_far_above_the_others_stops_unless_told_otherwise(tmp_path: Path) -> None:
    few = tiny_recipe("nafnet", "losses={mse: 1}", "log_every=10", "save_every=50", "spike=20", steps=120)
    with pytest.raises(UserError, match=r"the loss rose to .* at step 111 of nafnet, where .* was usual"):
        run(few, tmp_path, batches=poisoned(few, 110, 1000.0))
    assert json.loads((tmp_path / "bad_batch.json").read_text())["rows"] == [330, 331, 332]
    assert checkpoint_files(tmp_path)[0].name == "checkpoint-000000100.pt"
    calm = Recipe.model_validate(few.model_dump() | {"spike": None})
    assert run(calm, tmp_path, batches=poisoned(few, 110, 1000.0))["steps"] == 120


def test_single_overflows_are_forgiven_in_fp16_alone() -> None:
    for precision, forgiven in (("fp16", 10), ("fp32", 0)):
        watch = LossWatch(tiny_recipe("nafnet", f"precision={precision}"), make_fabric())
        for step in range(1, 21):
            watch.add(step, torch.tensor(torch.inf), None)
        astray = watch.read()
        assert astray is not None
        assert astray.step == forgiven + 1
