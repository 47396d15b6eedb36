"""Critics and the network learn in one step, each from its own loss; crops and mixtures follow the batch's seed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_models import shake
from torch import Tensor, nn
from training_runs import made_batches, run, tiny_recipe

from models.errors import UserError
from models.recipes import RECIPES
from models.training.recipe import Recipe, load_recipe
from models.training.settings import Adversarial
from models.training.tasks.adversarial import AdversarialTask, adversarial_task, crop_places, crops_at
from models.training.tasks.contract import Batch
from models.training.tasks.critics import Critic, gradient_penalty, least_squares, relativistic, wasserstein
from models.weights.opened import load_state

WITH_CRITICS = [name for name, card in RECIPES.items() if card.target.endswith("adversarial_task")]
UNPAIRED = (
    "adversarial={kind: relativistic, critics: [2, 3], local_critic: 2, local_size: 16, local_crops: 3, width: 4, "
    "normalised: false, unpaired: true}"
)


def made(recipe: Recipe) -> tuple[AdversarialTask, Batch]:
    torch.manual_seed(0)
    task = AdversarialTask(recipe, daclip=None)
    shake(task.trainable)
    return task, next(made_batches(recipe)(0))


def gradients(task: AdversarialTask, loss: Tensor) -> dict[str, list[Tensor | None]]:
    """Return the gradients of each group."""
    task.trainable.zero_grad(set_to_none=True)
    loss.backward()
    return {name: [p.grad for p in members] for name, members in task.groups().items()}


def test_scores_become_the_published_losses() -> None:
    real, restored = torch.tensor([2.0, 0.0]), torch.tensor([0.5, -0.5])
    assert wasserstein(real, restored) == (-1.0, -0.0)
    # Means: 1 and 0. Critic: ((2-0-1)^2 + (0-0-1)^2)/2 and ((.5-1+1)^2 + (-.5-1+1)^2)/2, halved.
    assert relativistic(real, restored).critic.item() == pytest.approx((1 + 0.25) / 2)
    assert relativistic(real, restored).network.item() == pytest.approx(((9 + 1) / 2 + (2.25 + 6.25) / 2) / 2)
    assert least_squares(real, restored).critic.item() == pytest.approx((1 + 0.25) / 2)
    assert least_squares(real, restored).network.item() == pytest.approx((0.25 + 2.25) / 2)


def test_a_relativistic_critic_that_cannot_tell_has_a_loss_of_one() -> None:
    scores = torch.zeros(3, 1, 4, 4)
    assert tuple(v.item() for v in relativistic(scores, scores)) == (1.0, 1.0)


class Linear(nn.Module):
    """A critic whose slope is known."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, image: Tensor) -> Tensor:
        return (image * self.weight).sum(dim=(1, 2, 3), keepdim=True)


def test_the_penalty_is_the_squared_distance_of_the_slope_from_one() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, restored = torch.rand(2, 4, 3, 8, 8, generator=generator).unbind()
    weight = torch.randn(3, 8, 8, generator=generator)
    critic = Linear(weight)
    penalty = gradient_penalty(critic, clean, restored, torch.rand(4, 1, 1, 1, generator=generator))
    assert penalty.item() == pytest.approx((float(weight.norm()) - 1) ** 2, rel=1e-5)
    penalty.backward()
    expected = 2 * (weight.norm() - 1) * weight / weight.norm()
    torch.testing.assert_close(critic.weight.grad, expected, rtol=1e-4, atol=1e-6)


def test_a_critic_scores_neighbourhoods_of_the_published_size() -> None:
    critic = Critic(width=2, layers=3, normalised=False)
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    scores = critic(image)
    (slope,) = torch.autograd.grad(scores[0, 0, 15, 15], image)
    rows = slope.abs().sum(dim=(0, 1, 3)).nonzero()
    # The neighbourhood of 70 pixels of pix2pix.
    assert int(rows.max() - rows.min()) + 1 == 70


@pytest.mark.parametrize("name", WITH_CRITICS)
def test_each_player_learns_from_its_own_loss(name: str) -> None:
    recipe = tiny_recipe(name, "adversarial.critic_steps=1", "losses={adversarial: 1.0}")
    task, batch = made(recipe)
    torch.manual_seed(1)  # of dropout
    loss, told = task.loss(batch)
    assert set(told) >= {"critic", "adversarial"}
    assert loss.item() == pytest.approx(float(told["critic"]) + float(told["adversarial"]), rel=1e-4, abs=1e-5)
    whole = gradients(task, loss)
    # In a step of the critics alone they learn the same, and the network nothing.
    other = AdversarialTask(recipe.model_copy(update={"adversarial": _slow(recipe)}), daclip=None)
    other.trainable.load_state_dict(task.trainable.state_dict())
    torch.manual_seed(1)
    alone, _ = other.loss(batch)
    assert alone.item() == pytest.approx(float(told["critic"]), rel=1e-4)
    apart = gradients(other, alone)
    assert all(p is None for p in apart["network"])
    assert any(p is not None and p.abs().max() > 0 for p in whole["network"])
    for one, two in zip(whole["discriminator"], apart["discriminator"], strict=True):
        assert one is not None
        assert two is not None
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5 * max(1.0, two.abs().max().item()))


def _slow(recipe: Recipe) -> Adversarial:
    assert recipe.adversarial is not None
    return recipe.adversarial.model_copy(update={"critic_steps": 2})


def test_the_network_moves_in_its_own_steps_only(tmp_path: Path) -> None:
    shared = ("losses={l1: 1.0, adversarial: 0.1}", "adversarial.critic_steps=3")
    states = []
    for steps in (1, 2, 3):
        run(tiny_recipe("deblurgan", *shared, steps=steps), tmp_path / str(steps))
        states.append(load_state(tmp_path / str(steps) / "weights.safetensors"))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[1][key], states[2][key]) for key in states[0])


def test_the_weights_of_a_run_are_those_of_the_network_alone(tmp_path: Path) -> None:
    recipe = tiny_recipe("deblurgan")
    run(recipe, tmp_path)
    keys = set(load_state(tmp_path / "weights.safetensors"))
    task = adversarial_task(recipe)
    assert keys == set(task.trainable.network.state_dict())  # pyright: ignore[reportAttributeAccessIssue]


def test_the_critics_have_a_rate_of_their_own(tmp_path: Path) -> None:
    recipe = tiny_recipe("deblurgan", "optimizer.groups={discriminator: {lr: 4.0e-4}}")
    assert run(recipe, tmp_path)["steps"] == 3
    with pytest.raises(UserError, match=r"no group optimizer\.groups\.critic"):
        run(tiny_recipe("deblurgan", "optimizer.groups={critic: {lr: 4.0e-4}}"), tmp_path / "x")


@pytest.mark.parametrize("name", ["deblurgan", "enlightengan"])
def test_parts_of_a_batch_draw_what_the_whole_draws(name: str) -> None:
    more = (
        "adversarial={kind: wgan-gp, local_critic: 2, local_size: 16, local_crops: 3, width: 4, normalised: false}",
    )
    if name == "enlightengan":  # its batch norms see the whole batch
        name, more = "deblurgan", (*more, "losses={mse: 1.0, adversarial: 1.0}")
    recipe = tiny_recipe(name, *more, "batch_size=4", "arch={width: 4, blocks: 1, dropout: 0}")
    task, batch = made(recipe)
    whole, _ = task.loss(batch)
    parts = []
    for first in (0, 1, 2, 3):
        rows = {k: v[first : first + 1] if v.ndim else v for k, v in batch.items()}
        parts.append(task.loss({**rows, "place": torch.tensor([first, 4])})[0])
    assert whole.item() == pytest.approx(torch.stack(parts).mean().item(), rel=1e-4)


def test_crops_lie_inside_and_follow_the_seed() -> None:
    settings = Adversarial(kind="relativistic", local_critic=2, local_size=16, local_crops=50)
    shape = torch.Size([3, 3, 40, 56])
    one, two = (crop_places(torch.Generator().manual_seed(4), settings, shape, (0, 3)) for _ in range(2))
    assert one == two
    spots = [spot for image in one for spot in image]
    assert len(spots) == 150
    assert {min(t for t, _ in spots), max(t for t, _ in spots)} <= set(range(25))
    assert max(left for _, left in spots) > 24
    assert max(left for _, left in spots) <= 40
    images = torch.rand(shape)
    crops = crops_at(images, one, size=16)
    assert crops.shape == (150, 3, 16, 16)
    top, left = one[1][0]
    assert torch.equal(crops[50], images[1, :, top : top + 16, left : left + 16])


def test_unpaired_training_does_not_know_which_clean_image_belongs_to_which_degraded_one() -> None:
    weights = "losses={l1: 1.0, adversarial: 0.5}"
    for unpaired in (True, False):
        recipe = tiny_recipe("enlightengan", UNPAIRED, weights)
        assert recipe.adversarial is not None
        critics = recipe.adversarial.model_copy(update={"unpaired": unpaired, "local_critic": None})
        task, batch = made(recipe.model_copy(update={"adversarial": critics}))
        loss, told = task.loss(batch)
        other, _ = task.loss({**batch, "clean": batch["clean"].roll(1, dims=0)})
        assert (other.item() == pytest.approx(loss.item(), rel=1e-5)) is unpaired
        target = batch["degraded" if unpaired else "clean"]
        restored = task.trainable.restorer(batch["degraded"])
        assert float(told["l1"]) == pytest.approx((restored - target).abs().mean().item(), rel=1e-5)


def test_small_crops_are_judged_and_compared_too() -> None:
    task, batch = made(tiny_recipe("enlightengan", UNPAIRED, "losses={l1: 1.0, adversarial: 0.5}"))
    loss, _ = task.loss(batch)
    assert task.trainable.local is not None
    assert all(p is not None and p.abs().max() > 0 for p in gradients(task, loss)["discriminator"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("losses={l1: 1}",), "needs adversarial.kind and losses.adversarial"),
        (("adversarial=null",), "needs adversarial.kind and losses.adversarial"),
        (("patch_size=40",), "multiple of 16 and at least"),
    ],
)
def test_a_recipe_without_what_critics_need_is_refused(overrides: tuple[str, ...], message: str) -> None:
    recipe = load_recipe("enlightengan", preset="demo", overrides=("arch={width: 8}", *overrides))
    with pytest.raises(UserError, match=message):
        adversarial_task(recipe)
    with pytest.raises(UserError, match="did you mean 'width'"):
        load_recipe("enlightengan", preset="demo", overrides=("adversarial.widht=8",))
