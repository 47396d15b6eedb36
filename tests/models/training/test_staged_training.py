"""Networks that learn part by part, by contrast, or beside the clean image also the rain: who learns what, and when."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import shake
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy
from training_runs import made_batches, run, run_in_child, tiny_recipe

from models.errors import UserError
from models.files import sha256_file
from models.recipes import RECIPES
from models.training.losses.pixels import charbonnier, l1
from models.training.losses.structure import edge, ssim
from models.training.tasks.contrastive import ContrastiveTask
from models.training.tasks.rain import RainTask
from models.training.tasks.restoration import RestorationTask
from models.training.tasks.retinex import RetinexTask

AIRNET = ("stage_steps=[2]", "losses={l1: 1.0, contrast: 0.1}")


def batch_of(recipe: Any, step: int = 0) -> dict[str, Tensor]:
    return {**next(made_batches(recipe)(0)), "step": torch.tensor(step)}


def learning(task: RestorationTask, batch: dict[str, Tensor]) -> set[str]:
    """Return the names of parameters that a step moves."""
    task.trainable.zero_grad(set_to_none=True)
    task.loss(batch)[0].backward()
    return {n for n, p in task.trainable.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def test_airnet_learns_its_encoder_first_and_then_all() -> None:
    recipe = tiny_recipe("airnet", *AIRNET)
    torch.manual_seed(0)
    task = ContrastiveTask(recipe, daclip=None)
    first, second = learning(task, batch_of(recipe, 1)), learning(task, batch_of(recipe, 2))
    assert first
    assert all(name.startswith("network.E.E.encoder_q.") for name in first)
    assert second >= first
    restoring = {n for n, _ in task.trainable.named_parameters() if n.startswith("network.R.")}
    assert restoring <= second
    assert not any("encoder_k" in name for name in second)


def test_airnets_second_stage_is_l1_plus_a_tenth_of_the_contrast() -> None:
    recipe = tiny_recipe("airnet", *AIRNET)
    task = ContrastiveTask(recipe, daclip=None)
    batch = batch_of(recipe, 2)
    network: Any = task.trainable.network
    state = {k: v.clone() for k, v in network.state_dict().items()}
    loss, told = task.loss(batch)
    network.load_state_dict(state)
    restored, logits, labels = network.contrast(batch["degraded"], batch["degraded_2"])
    expected = (restored - batch["clean"]).abs().mean(), cross_entropy(logits, labels)
    assert loss.item() == pytest.approx((expected[0] + 0.1 * expected[1]).item(), rel=1e-5)
    assert float(told["contrast"]) == pytest.approx(expected[1].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("airnet", AIRNET),
        ("uretinex", ("stage_steps=[3, 5]",)),
        ("deblurgan", ("adversarial.critic_steps=2",)),
        ("jorder-e", ("optimizer.lr=1e-3",)),
    ],
)
def test_a_run_killed_in_a_later_stage_ends_with_the_same_bits(
    name: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    recipe = tiny_recipe(name, *more, "save_every=2", steps=7)
    run(recipe, tmp_path / "whole")

    def die(done: int) -> None:
        if done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    assert run_in_child(recipe, tmp_path / "killed", at_step=die) == -signal.SIGKILL
    run(recipe, tmp_path / "killed")
    digests = [sha256_file(tmp_path / kind / "weights.safetensors") for kind in ("whole", "killed")]
    assert digests[0] == digests[1]


def test_uretinex_learns_part_by_part() -> None:
    recipe = tiny_recipe("uretinex", "stage_steps=[10, 20]")
    torch.manual_seed(0)
    task = RetinexTask(recipe, daclip=None)
    parts = [r"(restorer\.network\.model_Decom_low|clean_decomposition)\.", r"restorer\.network\.model_[RL]\."]
    parts.append(r"restorer\.network\.adjust_model\.")
    for step, part in zip((9, 10, 20), parts, strict=True):
        names = learning(task, batch_of(recipe, step))
        assert names == {n for n, _ in task.trainable.named_parameters() if re.match(part, n)}
    with pytest.raises(UserError, match="three stages"):
        RetinexTask(tiny_recipe("uretinex", "stage_steps=[10]"), daclip=None)


@pytest.mark.parametrize("told", ["true", "false"])
def test_uretinex_lights_by_the_ratio_that_the_clean_image_has_or_by_its_own(told: str) -> None:
    recipe = tiny_recipe("uretinex", "stage_steps=[1, 2]", "losses={l1: 1.0}", f"told_ratio={told}")
    torch.manual_seed(0)
    task = RetinexTask(recipe, daclip=None)
    seen: list[float] = []
    network: Any = task.trainable.network
    network.adjust_model.register_forward_pre_hook(lambda module, given: seen.append(given[1]))
    batch = batch_of(recipe, 2)
    task.loss(batch)
    with torch.no_grad():
        _, light = network.unfold(batch["degraded"], *network.model_Decom_low(batch["degraded"]))
        _, clean = task.trainable.clean_decomposition(batch["clean"])
    expected = (clean.mean((1, 2, 3)) / light.mean((1, 2, 3)).clamp(min=1e-4)).tolist()
    assert seen == pytest.approx(expected if told == "true" else [network.ratio] * len(expected), rel=1e-4)


def test_jorder_e_learns_where_rain_is_and_how_heavy() -> None:
    recipe = tiny_recipe("jorder-e", "losses={mse: 1.0, rain-mask: 1.0, rain-level: 0.5}")
    torch.manual_seed(0)
    task = RainTask(recipe, daclip=None)
    clean = torch.full((1, 3, 16, 16), 0.4)
    degraded = clean.clone()
    degraded[..., 5] += 0.3  # one streak
    loss, told = task.loss({"degraded": degraded, "clean": clean})
    network: Any = task.trainable.network
    final, first, mask, level = network.published(255 * degraded)
    place = torch.zeros(1, 16, 16, dtype=torch.long)
    place[..., 5] = 1
    wrong = cross_entropy(mask, place)
    off = (level / 255 - (degraded - clean)).square().mean()
    squares = [(x / 255 - clean).square().mean() for x in (final, first)]
    assert float(told["rain-mask"]) == pytest.approx(wrong.item(), rel=1e-4)
    assert float(told["rain-level"]) == pytest.approx(off.item(), rel=1e-4)
    assert loss.item() == pytest.approx((sum(squares) + wrong + 0.5 * off).item(), rel=1e-4)


def test_mprnet_is_compared_at_every_stage() -> None:
    recipe = tiny_recipe("mprnet", "losses={charbonnier: 1.0, edge: 0.05}")
    torch.manual_seed(0)
    task = RestorationTask(recipe, daclip=None)
    batch = batch_of(recipe)
    network: Any = task.trainable.network
    stages = network.predictions(batch["degraded"])
    expected = torch.stack([charbonnier(x, batch["clean"]) + 0.05 * edge(x, batch["clean"]) for x in stages]).sum()
    assert len(stages) == 3
    assert task.loss(batch)[0].item() == pytest.approx(expected.item(), rel=1e-5)


def test_prenet_is_compared_at_its_last_stage() -> None:
    recipe = tiny_recipe("prenet", "losses={ssim: 1.0}")
    torch.manual_seed(0)
    task = RestorationTask(recipe, daclip=None)
    batch = batch_of(recipe)
    expected = ssim(task.trainable(batch["degraded"]), batch["clean"])
    assert task.loss(batch)[0].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["deepdeblur", "maxim"])
def test_scales_are_compared_with_the_clean_image_scaled_down(name: str) -> None:
    recipe = tiny_recipe(name, "losses={l1: 1.0}")
    torch.manual_seed(0)
    task = RestorationTask(recipe, daclip=None)
    shake(task.trainable, amount=0.01)
    flat = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(1, 3, recipe.patch_size, recipe.patch_size)
    network: Any = task.trainable.network
    outputs = network.predictions(flat)
    assert len({o.shape for o in outputs}) > 1
    expected = torch.stack([l1(o, flat[..., : o.shape[2], : o.shape[3]]) for o in outputs]).sum()
    assert task.loss({"degraded": flat, "clean": flat})[0].item() == pytest.approx(expected.item(), rel=1e-4)
    # Not a corner of the image: a checkerboard becomes grey.
    side = recipe.patch_size
    board = ((torch.arange(side)[:, None] + torch.arange(side)) % 2).float().expand(1, 3, side, side)
    half = torch.zeros(1, 3, side // 2, side // 2)
    scaled = task._scaled(board, half)[..., 4:-4, 4:-4]
    torch.testing.assert_close(scaled, avg_pool2d(board, 2)[..., 4:-4, 4:-4], atol=0.02, rtol=0)


def test_all_results_of_a_network_that_has_one_cannot_be_asked_for() -> None:
    with pytest.raises(UserError, match="network restormer offers its final result only"):
        RECIPES.load("restormer")(tiny_recipe("restormer", "supervise=all"), daclip=None)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("restormer", ("patch_size=36",), "multiple of 8 and at least"),
        ("maxim", ("progressive=[{from_step: 1, patch_size: 33, batch_size: 1}]",), "not from patch_size=33"),
        ("airnet", ("losses={l1: 1}",), "needs losses.contrast"),
        ("airnet", ("stage_steps=[1, 2]",), "at most one of stage_steps"),
        ("jorder-e", ("losses={mse: 1, rain-masc: 1}",), "did you mean 'rain-mask'"),
    ],
)
def test_what_a_task_cannot_do_is_said_in_a_sentence(name: str, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        RECIPES.load(name)(tiny_recipe(name, *overrides), daclip=None)
    assert "\n" not in str(error.value)
