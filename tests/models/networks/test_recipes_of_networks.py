"""Every network that has weights can be trained, and its recipe says how: as its paper, as all others, in a minute."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from small_models import ARCHS, WITHOUT_WEIGHTS
from training_runs import run, tiny_recipe

from models.errors import UserError
from models.inference.loading import load_restorer
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.recipes import RECIPES
from models.training.recipe import FOLDER, load_recipe
from models.training.schedule import learning_rate

OWN = [name for name, card in RECIPES.items() if "unified" in card.presets]


def test_every_network_with_weights_has_a_recipe() -> None:
    trained = {name for name in NETWORKS if name not in WITHOUT_WEIGHTS}
    assert trained | {"daclip"} == set(RECIPES)
    assert all(RECIPES[name].title == NETWORKS[name].title for name in OWN)
    for name in NETWORKS:
        if name in WITHOUT_WEIGHTS:
            assert not list(build(name, {}).parameters())


@pytest.mark.parametrize("name", OWN)
def test_the_unified_setting_is_the_same_for_all(name: str) -> None:
    same = ("steps", "batch_size", "patch_size", "progressive", "optimizer", "schedule", "sampling", "clip_norm")
    reference = load_recipe("ir-sde" if RECIPES[name].task == "diffusion" else "nafnet", preset="paper")
    unified, paper = load_recipe(name, preset="unified"), load_recipe(name, preset="paper")
    assert {key: getattr(unified, key) for key in same} == {key: getattr(reference, key) for key in same}
    assert unified.ema == reference.ema
    if name not in ("nafnet-local", "airnet"):
        assert (unified.losses, unified.arch) == (paper.losses, paper.arch)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("preset", ["paper", "unified"])
def test_full_size_presets_are_accepted_by_the_published_network(name: str, preset: str) -> None:
    recipe = load_recipe(name, preset=preset)
    with torch.device("meta"):
        network = build(name, recipe.arch)
    padding = Restorer(name=name, network=network).padding
    for phase in recipe.phases():
        assert phase.patch_size % padding.multiple_of == 0
        assert phase.patch_size >= padding.minimum_size
    assert recipe.supervise == "final" or hasattr(network, "predictions")
    rates = [learning_rate(recipe, step) for step in range(0, recipe.steps, max(recipe.steps // 200, 1))]
    assert max(rates) <= recipe.optimizer.lr * (1 + 1e-9)
    assert all(rate >= 0 for rate in rates)
    assert all(milestone < recipe.steps for milestone in [*recipe.schedule.milestones, *recipe.stage_steps])


@pytest.mark.parametrize("file", sorted({RECIPES[name].file for name in OWN}))
def test_a_recipe_tells_its_commands_its_sources_and_what_data_it_wants(file: str) -> None:
    text = (FOLDER / file).read_text(encoding="utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    name = Path(file).stem
    commands = [line for line in head if f"bench train {name} --data" in line]
    assert ["--preset unified" in line for line in commands] == [False, True, False]
    assert "--preset demo" in commands[2]
    assert re.search(r"\(.*(GPU|TPU)", commands[0])
    for other, card in RECIPES.items():
        if card.shares == name:
            assert any(re.search(rf"\b{other}\b", line) for line in head)
    assert all(len(line) < 160 for line in head)
    assert any("are ours" in line or line.startswith(("# Values of", "# After")) for line in head)


def test_a_schedule_holds_before_it_falls() -> None:
    held = load_recipe("deblurgan", preset="paper", overrides=("steps=100", "schedule.hold_steps=50"))
    rates = [learning_rate(held, step) for step in range(101)]
    assert rates[:51] == [1e-4] * 51
    assert rates[75] == pytest.approx(0.5e-4)
    assert rates[100] == pytest.approx(0)
    cosine = load_recipe("restormer", preset="paper")
    assert learning_rate(cosine, 91_999) == 3e-4
    assert learning_rate(cosine, 92_000 + 104_000) == pytest.approx((3e-4 + 1e-6) / 2)
    assert learning_rate(cosine, 299_999) == pytest.approx(1e-6, rel=1e-2)


def test_the_phases_of_restormer_are_the_published_ones() -> None:
    recipe = load_recipe("restormer", preset="paper")
    starts = (0, 92_000, 156_000, 204_000, 240_000, 276_000)
    sizes = [(recipe.phase(step).patch_size, recipe.phase(step).batch_size) for step in starts]
    assert sizes == [(128, 64), (160, 40), (192, 32), (256, 16), (320, 8), (384, 8)]
    assert recipe.phase(91_999).patch_size == 128


def test_airnets_rate_is_a_tenth_for_the_encoder_and_then_halves() -> None:
    recipe = load_recipe("airnet", preset="paper")
    rates = [learning_rate(recipe, 400 * epoch) for epoch in (0, 59, 60, 100, 224, 225, 350, 1499)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 5e-5, 2.5e-5, 1e-4 / 2**11])


@pytest.mark.parametrize("name", ["deblurgan", "griddehazenet", "enlightengan"])
def test_a_paper_preset_names_the_classifier_that_it_needs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"needs the file vgg1[69]-\w+.pth") as error:
        RECIPES.load(name)(load_recipe(name, preset="paper", overrides=("arch={width: 4}",)), daclip=None)
    assert "\n" not in str(error.value)


def test_stages_of_a_recipe_are_in_order() -> None:
    for wrong in ("[5, 5]", "[0]", "[5, 3]"):
        with pytest.raises(UserError, match="stages begin after step 0"):
            load_recipe("uretinex", preset="demo", overrides=(f"stage_steps={wrong}",))


@pytest.mark.parametrize("name", ["restormer", "uretinex", "prn-r"])
def test_what_was_trained_restores(name: str, tmp_path: Path) -> None:
    run(tiny_recipe(name, steps=4), tmp_path)
    restorer = load_restorer(name, tmp_path)
    image = torch.rand(1, 3, 32, 40)
    with torch.no_grad():
        assert torch.isfinite(restorer(image)).all()
    assert set(restorer.network.state_dict()) == set(build(name, ARCHS[name]).state_dict())
