"""Every recipe runs and saves at tiny size; what a recipe says is what is done."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from small_models import ARCHS, CLIP, shake
from torch.optim import lr_scheduler
from training_runs import run, tiny_recipe

from models.daclip.build import build_daclip
from models.errors import UserError
from models.inference.loading import load_restorer
from models.recipes import RECIPES
from models.training.recipe import Recipe, load_recipe, merge, recipe_yaml
from models.training.schedule import learning_rate
from models.weights.metadata import read_metadata
from models.weights.opened import load_state
from models.weights.run import save_run_weights


@pytest.fixture(scope="module")
def daclip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a tiny DA-CLIP."""
    torch.manual_seed(0)
    module = build_daclip(clip=CLIP, pretrained=None)
    shake(module)
    path = tmp_path_factory.mktemp("daclip") / "weights.safetensors"
    save_run_weights(
        path, task="daclip", network="daclip", state=module, arch=module.arch, recipe={}, dataset={}, step=1
    )
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_starts_runs_and_saves(name: str, daclip: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(name, "save_every=2")
    needed = daclip if RECIPES[name].needs else None
    manifest = run(recipe, tmp_path, daclip=needed)
    assert manifest["steps"] == 3
    metadata = read_metadata(tmp_path / "weights.safetensors")
    assert metadata["recipe"] == recipe.model_dump(mode="json")
    assert all(torch.isfinite(value).all() for value in load_state(tmp_path / "weights.safetensors").values())
    if name in ARCHS:
        restorer = load_restorer(name, tmp_path)
        assert sum(p.numel() for p in restorer.network.parameters()) > 0


@pytest.mark.parametrize("name", RECIPES)
def test_every_preset_is_complete_and_its_yaml_says_all(name: str) -> None:
    for preset in RECIPES[name].presets:
        recipe = load_recipe(name, preset=preset)
        assert recipe.preset == preset
        import yaml

        assert Recipe.model_validate(yaml.safe_load(recipe_yaml(recipe))) == recipe
        short = yaml.safe_load(recipe_yaml(recipe, defaults=False))
        assert Recipe.model_validate(short) == recipe


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lrr=1", "unknown key 'optimizer.lrr' - did you mean 'lr'"),
        ("optimizer.groups={critic: {lrr: 1}}", "did you mean 'lr'"),
        ("schedule.warmup=1", "did you mean 'warmup_steps'"),
        ("validation={evry: 3}", "did you mean 'every'"),
        ("progressive=[{from_step: 3, patch: 32, batch_size: 1}]", "did you mean 'patch_size'"),
        ("progressive=[{from_step: 0, patch_size: 32, batch_size: 1}]", "phases begin after step 0"),
        ("schedule={kind: multi-step}", "needs milestones in growing order"),
        ("schedule={kind: multi-step, milestones: [1, 2], gamma: [0.5]}", "gamma needs as many values"),
        ("schedule={kind: cosine-restarts}", "needs periods"),
        ("schedule={kind: cosine-restarts, periods: [2, 3], minimum_lrs: [0.1]}", "minimum_lrs needs as many"),
        ("validation={split: train}", "needs held_out above 0"),
        ("sampling={noisy: -1}", "weights of types are not negative"),
        ("sampling=often", "sampling"),
        ("precision=bf15", "precision"),
        ("clip_norm=0", "clip_norm"),
        ("losses={l1: many}", "losses.l1"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(override: str, message: str) -> None:
    with pytest.raises(UserError, match="recipe nafnet: ") as error:
        load_recipe("nafnet", overrides=(override,))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_both_limits_of_the_gradient_are_refused() -> None:
    with pytest.raises(UserError, match="clip_norm and clip_value exclude each other"):
        load_recipe("nafnet", overrides=("clip_norm=1", "clip_value=1"))


def test_losses_are_replaced_by_a_preset_and_added_to_by_an_override() -> None:
    assert merge({"losses": {"l1": 1}, "ema": {"decay": 0.9}}, {"losses": {"psnr": 1}, "ema": {"every": 2}}) == {
        "losses": {"psnr": 1},
        "ema": {"decay": 0.9, "every": 2},
    }
    assert load_recipe("nafnet", overrides=("losses.mse=0.1",)).losses == {"l1": 1.0, "mse": 0.1}


def scheduled(*overrides: str, steps: int = 60, top: float | None = None) -> list[float]:
    recipe = load_recipe("nafnet", overrides=(f"steps={steps}", "optimizer.lr=0.01", *overrides))
    return [learning_rate(recipe, step, top=top) for step in range(steps)]


def torchs(make: object, steps: int = 60) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = make(optimizer)  # pyright: ignore[reportCallIssue]
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_schedules_are_those_of_torch() -> None:
    cosine = scheduled("schedule={kind: cosine, minimum_lr: 0.001}")
    assert cosine == pytest.approx(torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, 60, 0.001)))
    linear = scheduled("schedule={kind: linear, minimum_lr: 0.001}")
    assert linear == pytest.approx(torchs(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, 60)))
    assert scheduled("schedule={kind: constant}") == [0.01] * 60
    stepped = scheduled("schedule={kind: multi-step, milestones: [10, 25], gamma: 0.3}")
    assert stepped == pytest.approx(torchs(lambda o: lr_scheduler.MultiStepLR(o, [10, 25], 0.3)))
    factors = scheduled("schedule={kind: multi-step, milestones: [10, 25], gamma: [0.1, 5]}")
    assert [factors[n] for n in (9, 10, 25)] == pytest.approx([0.01, 0.001, 0.005])
    restarts = scheduled("schedule={kind: cosine-restarts, periods: [20, 20, 20], minimum_lr: 0.001}")
    assert restarts == pytest.approx(torchs(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 20, eta_min=0.001)))


def test_periods_have_their_own_tops_and_bottoms() -> None:
    own = "schedule={kind: cosine-restarts, periods: [10, 30], restart_weights: [1, 0.5], minimum_lrs: [0.004, 0.0]}"
    rates = scheduled(own)
    assert (rates[0], rates[10]) == (pytest.approx(0.01), pytest.approx(0.005))
    assert rates[5] == pytest.approx(0.007)
    assert rates[25] == pytest.approx(0.0025)
    assert rates[45] == pytest.approx(0.0)  # after the last period it stays at its end


def test_warm_up_grows_to_the_top_and_a_group_has_its_own() -> None:
    rates = scheduled("schedule={warmup_steps: 5}")
    assert rates[:6] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01, 0.01])
    twice = scheduled("schedule={warmup_steps: 5}", top=0.02)
    assert twice == pytest.approx([2 * rate for rate in rates])
    assert rates[-1] == pytest.approx(0.005 * (1 + math.cos(math.pi * 54 / 55)))


def test_phases_change_the_sizes_at_their_steps(tmp_path: Path) -> None:
    phases = (
        "progressive=[{from_step: 2, patch_size: 48, batch_size: 2}, {from_step: 4, patch_size: 64, batch_size: 1}]"
    )
    recipe = tiny_recipe("nafnet", phases, steps=6)
    sizes = [(recipe.phase(step).batch_size, recipe.phase(step).patch_size) for step in range(6)]
    assert sizes == [(3, 32), (3, 32), (2, 48), (2, 48), (1, 64), (1, 64)]
    assert run(recipe, tmp_path)["steps"] == 6


def test_a_loss_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no restoration loss 'l2' - did you mean 'l1'"):
        run(tiny_recipe("nafnet", "losses={l2: 1}"), tmp_path)
    with pytest.raises(UserError, match="needs losses"):
        run(tiny_recipe("nafnet", "losses={}"), tmp_path)
