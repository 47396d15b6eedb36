"""One optimiser step: parts of a batch, limits of the gradient, groups of parameters, precisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_runs import made_batches, run, tiny_recipe

from models.errors import UserError
from models.training.devices import make_fabric
from models.training.ema import MovingAverage
from models.training.fit import fit
from models.training.recipe import Recipe
from models.training.settings import Ema
from models.training.stepping import Stepper
from models.training.tasks.contract import Batch
from models.training.tasks.restoration import RestorationTask
from models.weights.opened import load_state


def losses(out: Path) -> list[float]:
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if "loss" in event]


def stepper(recipe: Recipe) -> tuple[RestorationTask, Stepper]:
    torch.manual_seed(0)
    task = RestorationTask(recipe, daclip=None)
    return task, Stepper(task, recipe, make_fabric(precision=recipe.precision))


@pytest.mark.parametrize("name", ["nafnet", "ir-sde"])
@pytest.mark.parametrize("parts", [2, 3, 5, 8])
def test_accumulated_parts_are_the_whole_batch(name: str, parts: int, tmp_path: Path) -> None:
    # Five rows in two parts are of unequal size, and the draws of a diffusion loss belong to the rows.
    run(tiny_recipe(name, "batch_size=5", steps=4), tmp_path / "whole")
    run(tiny_recipe(name, "batch_size=5", f"accumulate={parts}", steps=4), tmp_path / "parts")
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=2e-4)
    states = [load_state(tmp_path / kind / "weights.safetensors") for kind in ("whole", "parts")]
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, atol=2e-4, rtol=2e-3, msg=key)


def test_the_norm_of_the_gradient_is_limited_and_logged() -> None:
    recipe = tiny_recipe("nafnet", "clip_norm=0.01", "optimizer={kind: sgd, lr: 1.0}", "schedule={kind: constant}")
    task, one = stepper(recipe)
    before = [p.detach().clone() for p in task.trainable.parameters()]
    batch = next(made_batches(recipe)(0))
    result = one.step(batch, 0)
    moved = torch.stack([(p - q).norm() for p, q in zip(task.trainable.parameters(), before, strict=True)]).norm()
    assert moved.item() == pytest.approx(0.01, rel=1e-3)
    assert float(result.numbers["gradient_norm"]) > 0.01


def test_gradients_are_limited_by_value() -> None:
    recipe = tiny_recipe("nafnet", "clip_value=1e-4", "optimizer={kind: sgd, lr: 1.0}")
    task, one = stepper(recipe)
    before = [p.detach().clone() for p in task.trainable.parameters()]
    one.step(next(made_batches(recipe)(0)), 0)
    moved = max(float((p.detach() - q).abs().max()) for p, q in zip(task.trainable.parameters(), before, strict=True))
    assert moved == pytest.approx(1e-4, rel=1e-2)


class TwoPlayers:
    """A task with two groups, of which one sits out every other step."""

    def __init__(self) -> None:
        self.generator, self.critic = nn.Linear(2, 2), nn.Linear(2, 1)
        self.trainable = nn.ModuleDict({"generator": self.generator, "critic": self.critic})
        self.seen: list[int] = []

    def groups(self) -> Mapping[str, Any]:
        return {name: module.parameters() for name, module in self.trainable.items()}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float | Tensor]]:
        self.seen.append(int(batch["step"]))
        made = self.generator(batch["x"])
        total = made.square().mean()
        if self.seen[-1] % 2:
            total = total + self.critic(made.detach()).square().mean()
        return total, {}

    def after_step(self) -> None: ...

    def save(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        torch.save(self.trainable.state_dict(), path)


def test_groups_have_their_own_rates_and_sit_out_steps_without_gradient(tmp_path: Path) -> None:
    settings = "optimizer={lr: 0.01, weight_decay: 0.1, groups: {critic: {lr: 0.5, weight_decay: 0.0}}}"
    recipe = tiny_recipe("nafnet", settings, "schedule={kind: constant}")
    torch.manual_seed(0)
    task = TwoPlayers()
    one = Stepper(task, recipe, make_fabric())
    found = {(g["lr"], g["weight_decay"]) for g in one.optimizer.param_groups}
    assert found == {(0.01, 0.1), (0.01, 0.0), (0.5, 0.0)}
    critic = task.critic
    states = [critic.weight.detach().clone()]
    for step in range(3):
        one.step({"x": torch.ones(4, 2)}, step)
        states.append(critic.weight.detach().clone())
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[1], states[2])
    assert torch.equal(states[2], states[3])
    assert (states[2] - states[1]).abs().max() > 0.4  # the first step of Adam is as long as the rate

    def ones(start: int) -> Iterator[Batch]:
        while True:
            yield {"x": torch.ones(4, 2)}

    fit(TwoPlayers, ones, recipe, tmp_path, dataset={}, tool="t")
    assert (tmp_path / "weights.safetensors").is_file()


def test_settings_of_a_group_that_is_not_there_are_refused() -> None:
    with pytest.raises(UserError, match=r"no group optimizer\.groups\.netwerk - did you mean 'network'"):
        stepper(tiny_recipe("nafnet", "optimizer={lr: 0.1, groups: {netwerk: {lr: 1}}}"))


@pytest.mark.parametrize("decay", ["matrices", "all"])
def test_what_is_decayed(decay: str) -> None:
    task, one = stepper(tiny_recipe("nafnet", f"optimizer={{lr: 0.1, weight_decay: 0.5, decay: {decay}}}"))
    decays = {id(p): group["weight_decay"] for group in one.optimizer.param_groups for p in group["params"]}
    for name, p in task.trainable.named_parameters():
        assert decays[id(p)] == (0.5 if decay == "all" or p.ndim >= 2 else 0.0), name


@pytest.mark.parametrize("kind", ["adamw", "adam", "nadam", "radam", "sgd", "rmsprop"])
def test_every_optimiser_brings_the_loss_down(kind: str) -> None:
    rate = "0.1" if kind == "sgd" else "0.003"
    recipe = tiny_recipe("nafnet", f"optimizer={{kind: {kind}, lr: {rate}}}", "losses={mse: 1.0}")
    _, one = stepper(recipe)
    batch = next(made_batches(recipe)(0))
    values = [float(one.step(batch, step).loss) for step in range(25)]
    assert values[-1] < 0.7 * values[0]


def test_a_fused_optimiser_does_the_same_step() -> None:
    states = []
    for fused in ("true", "false"):
        recipe = tiny_recipe("nafnet", f"optimizer={{lr: 0.001, weight_decay: 0.1, fused: {fused}}}")
        task, one = stepper(recipe)
        for step in range(3):
            one.step(next(made_batches(recipe)(step)), step)
        states.append(task.trainable.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, atol=1e-5, rtol=1e-4, msg=key)
    with pytest.raises(UserError, match="radam has no fused kernel"):
        stepper(tiny_recipe("nafnet", "optimizer={lr: 0.1, kind: radam, fused: true}"))


@pytest.mark.parametrize("option", ["channels_last=true", "precision=bf16", "precision=fp16"])
def test_other_layouts_and_precisions_learn_alike(option: str, tmp_path: Path) -> None:
    common = ("losses={l1: 1.0}", "clip_norm=1.0")
    run(tiny_recipe("nafnet", *common, steps=12), tmp_path / "plain")
    run(tiny_recipe("nafnet", *common, option, steps=12), tmp_path / "other")
    tolerance = 1e-4 if option == "channels_last=true" else 0.1
    assert losses(tmp_path / "other") == pytest.approx(losses(tmp_path / "plain"), rel=tolerance)
    assert all(value.dtype == torch.float32 for value in load_state(tmp_path / "other/weights.safetensors").values())


def test_half_precision_keeps_the_clean_image_exact() -> None:
    seen: dict[str, Tensor] = {}
    recipe = tiny_recipe("nafnet", "precision=bf16")
    task, one = stepper(recipe)
    loss = task.loss

    def look(batch: Batch) -> Any:
        seen.update(batch)
        return loss(batch)

    task.loss = look
    batch = next(made_batches(recipe)(0))
    one.step(batch, 7)
    assert torch.equal(seen["clean"], batch["clean"])
    assert seen["clean"].dtype == torch.float32
    assert (int(seen["step"]), seen["place"].tolist()) == (7, [0, 3])


def test_the_average_is_lent_and_taken_back() -> None:
    module = nn.Linear(2, 2)
    average = MovingAverage(module, Ema(decay=0.5))
    before = module.weight.detach().clone()
    with torch.no_grad():
        module.weight += 1
    now = module.weight.detach().clone()
    with suppress(KeyboardInterrupt), average.applied():
        assert torch.equal(module.weight, before)
        raise KeyboardInterrupt
    assert torch.equal(module.weight, now)


@pytest.mark.long
def test_compiled_networks_learn_alike(tmp_path: Path) -> None:
    run(tiny_recipe("nafnet", steps=3), tmp_path / "plain")
    run(tiny_recipe("nafnet", "compile=true", steps=3), tmp_path / "other")
    assert losses(tmp_path / "other") == pytest.approx(losses(tmp_path / "plain"), rel=1e-3)
    assert set(load_state(tmp_path / "other/weights.safetensors")) == set(
        load_state(tmp_path / "plain/weights.safetensors")
    )
