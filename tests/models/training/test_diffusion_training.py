"""Fitting diffusion networks: the published objective and values, draws that a resumed run repeats, DA-CLIP frozen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import CLIP, shake
from torch import Tensor

from models.daclip.build import build_daclip
from models.errors import UserError
from models.files import sha256_file
from models.inference.loading import load_restorer
from models.recipes import RECIPES
from models.training import loop as running
from models.training.checkpoint import checkpoint_files
from models.training.fit import fit
from models.training.recipe import load_recipe
from models.training.tasks.diffusion import DiffusionTask
from models.weights.metadata import read_metadata
from models.weights.run import save_run_weights

# Refusion's own values and steps are covered by the tests of all recipes.
DIFFUSION = [name for name, card in RECIPES.items() if card.task == "diffusion" and name != "refusion"]
SMALL = ("arch.multipliers=[2, 2]", "patch_size=16", "batch_size=2", "log_every=1", "save_every=2")


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


def make(name: str, daclip: Path, *overrides: str) -> DiffusionTask:
    recipe = load_recipe(name, preset="demo", overrides=(*SMALL, *overrides))
    torch.manual_seed(recipe.seed)
    return DiffusionTask(recipe, daclip=daclip if RECIPES[name].needs else None)


def batches(start: int) -> Iterator[dict[str, Tensor]]:
    """Yield pairs of which the degraded one is darker, a function of the step alone."""
    while True:
        generator = torch.Generator().manual_seed(start)
        clean = torch.rand(2, 3, 16, 16, generator=generator)
        yield {"degraded": clean / 2, "clean": clean, "seed": torch.tensor(1000 + start)}
        start += 1


@pytest.mark.parametrize("name", DIFFUSION)
def test_the_paper_preset_holds_the_published_values(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.preset == "paper"
    assert (recipe.loss, recipe.batch_size, recipe.patch_size) == ("optimum-path", 16, 256)
    assert recipe.steps == (500_000 if name == "wild-ir" else 700_000)
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.optimizer.weight_decay) == (2e-4, (0.9, 0.99), 0.0)
    assert (recipe.schedule.minimum_lr, recipe.schedule.warmup_steps) == (1e-6, 0)
    assert recipe.ema is not None
    assert (recipe.ema.decay, recipe.ema.every, recipe.ema.rule) == (0.995, 10, "ema-pytorch")
    assert recipe.sde is not None
    assert recipe.sde.model_dump() == {"steps": 100, "max_sigma": 50.0, "schedule": "cosine", "eps": 0.005}
    assert recipe.arch["multipliers"] == [1, 2, 4, 8]


@pytest.mark.parametrize("name", DIFFUSION)
def test_the_draws_follow_from_the_batchs_seed_alone(name: str, daclip: Path) -> None:
    task = make(name, daclip)
    batch = next(batches(0))
    first = task.loss(batch)[0]
    torch.rand(100)  # the global generator has no part in it
    assert torch.equal(task.loss(batch)[0], first)
    assert not torch.equal(task.loss({**batch, "seed": torch.tensor(1)})[0], first)


@pytest.mark.parametrize("name", DIFFUSION)
def test_a_gradient_reaches_the_network_and_never_the_daclip(name: str, daclip: Path) -> None:
    task = make(name, daclip)
    shake(task.trainable.network)
    task.loss(next(batches(0)))[0].backward()
    restorer = task.trainable
    silent = [k for k, p in restorer.network.named_parameters() if p.requires_grad and p.grad is None]
    unused: Any = restorer.network.unused_parameters
    assert set(silent) <= set(unused)
    if restorer.daclip is not None:
        assert all(p.grad is None and not p.requires_grad for p in restorer.daclip.parameters())
        assert not restorer.daclip.training


def test_one_type_is_trained_without_the_prompt(daclip: Path) -> None:
    told, untold = make("ir-sde-daclip", daclip), make("ir-sde-daclip", daclip, "arch.degradation_dim=null")
    assert told.trainable.network.degradation_dim == CLIP["embed_dim"]
    assert untold.trainable.network.degradation_dim is None
    assert untold.trainable.network.content_dim == CLIP["embed_dim"]
    keys = [set(task.trainable.network.state_dict()) for task in (told, untold)]
    assert {key.split(".")[0] for key in keys[0] - keys[1]} == {"prompt", "text_mlp", "prompt_mlp"}
    assert not keys[1] - keys[0]
    degraded = next(batches(0))["degraded"]
    content, degradation = untold.trainable.embed(degraded) or (degraded, degraded)
    time = torch.full((2,), 50.0)
    first, second = (
        untold.trainable.predict(degraded, degraded, time, embeddings=(content, degradation + change))
        for change in (0, 1)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", DIFFUSION)
def test_a_run_killed_between_checkpoints_ends_with_the_same_weights(
    name: str, daclip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(name, preset="demo", overrides=(*SMALL, "steps=5", "ema={decay: 0.9, every: 1}"))

    def run(out: Path) -> dict[str, Any]:
        return fit(
            lambda: DiffusionTask(recipe, daclip=daclip if RECIPES[name].needs else None),
            batches,
            recipe,
            out,
            dataset={"digest": "x"},
            tool="test",
        )

    whole = run(tmp_path / "whole")
    rate = running.learning_rate

    def die_at_step_3(recipe: Any, step: int, *, top: float | None = None) -> float:
        if step == 3:
            raise KeyboardInterrupt
        return rate(recipe, step, top=top)

    with monkeypatch.context() as patch:
        patch.setattr(running, "learning_rate", die_at_step_3)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed")
    assert [file.name for file in checkpoint_files(tmp_path / "killed")] == ["checkpoint-000000002.pt"]
    assert run(tmp_path / "killed") == whole
    files = [tmp_path / kind / "weights.safetensors" for kind in ("whole", "killed")]
    assert sha256_file(files[0]) == sha256_file(files[1])
    metadata = read_metadata(files[0])
    assert (metadata["task"], metadata["network"]) == ("restoration", name)
    assert metadata["sde"] == {"steps": 100, "max_sigma": 50.0, "schedule": "cosine", "eps": 0.005}
    loaded = load_restorer(name, tmp_path / "whole", daclip=daclip if RECIPES[name].needs else None)
    assert loaded.sde.settings() == metadata["sde"]


def test_training_brings_the_loss_down(daclip: Path) -> None:
    task = make("ir-sde-daclip", daclip)

    def flat(step: int) -> dict[str, Tensor]:
        """Give images of one colour, which a few steps suffice to learn."""
        colour = torch.rand(4, 3, 1, 1, generator=torch.Generator().manual_seed(step)).expand(4, 3, 16, 16)
        return {"degraded": colour / 2, "clean": colour, "seed": torch.tensor(step)}

    @torch.no_grad()
    def held_out() -> float:
        return sum(float(task.loss(flat(10_000 + number))[0]) for number in range(20))

    before = held_out()
    optimizer = torch.optim.AdamW([p for p in task.trainable.parameters() if p.requires_grad], lr=2e-3)
    for step in range(100):
        loss = task.loss(flat(step))[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert held_out() < 0.5 * before


@pytest.mark.parametrize(
    ("name", "overrides", "given", "message"),
    [
        ("ir-sde", ("loss=l1",), False, "trained with loss=optimum-path, not l1"),
        ("ir-sde", (), True, "takes no DA-CLIP"),
        ("wild-ir", (), False, "needs a DA-CLIP"),
        ("ir-sde-daclip", ("arch.content_dim=32",), True, "embeddings of length 32, but this DA-CLIP gives 64"),
        ("ir-sde", ("sde.step=3",), False, "did you mean 'steps'"),
        ("ir-sde", ("sde.eps=1.5",), False, "sde.eps"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(
    name: str, overrides: tuple[str, ...], given: bool, message: str, daclip: Path
) -> None:
    with pytest.raises(UserError, match=message):
        DiffusionTask(
            load_recipe(name, preset="demo", overrides=(*SMALL, *overrides)), daclip=daclip if given else None
        )
