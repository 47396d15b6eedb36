"""Restoring by sampling: the noise belongs to the image, whatever batch, order, tiles or memory it is restored in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_models import ARCHS
from torch import Tensor, nn

from models.diffusion.noise import pixel_keys
from models.diffusion.samplers import SAMPLERS
from models.diffusion.sde import MeanRevertingSDE
from models.diffusion.settings import Sampling
from models.errors import UserError
from models.inference.loading import load_restorer, process_of
from models.inference.memory import bytes_per_pixel, in_use
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.weights.run import save_run_weights

Make = Callable[..., Restorer]
SDE = MeanRevertingSDE()
CPU = torch.device("cpu")


class LocalNoise(nn.Module):
    """Predicts noise from a pixel's near surroundings: no pixel depends on another more than two away."""

    multiple_of = 1

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 3, 3, padding=1))

    def forward(self, state: Tensor, degraded: Tensor, time: Tensor, *, degradation=None, content=None) -> Tensor:
        return self.layers(torch.cat([state - degraded, degraded], dim=1)) * (1 + time.view(-1, 1, 1, 1) / 100)


class Oracle(nn.Module):
    """Knows that every clean image is half as bright as the degraded one."""

    multiple_of = 1

    def forward(self, state: Tensor, degraded: Tensor, time: Tensor, *, degradation=None, content=None) -> Tensor:
        # The time is the same for all images; a step of the table, as this sampler visits no others.
        return SDE.noise_in(state, degraded, degraded / 2, time.round().long())


def sampled(network: nn.Module, **choices: object) -> Restorer:
    return Restorer(name="ir-sde", network=network, sampling=Sampling(**choices)).eval()  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_image_comes_out_the_same_in_any_batch_order_and_tiling(name: str) -> None:
    restorer = sampled(LocalNoise(), sampler=name, nfe=4, seed=5)
    images = torch.rand(3, 3, 70, 90)
    together = restore(restorer, images, keys=["a", "b", "c"])
    alone = torch.stack([restore(restorer, images[i], keys=["abc"[i]]) for i in range(3)])
    turned = restore(restorer, images.flip(0), keys=["c", "b", "a"]).flip(0)
    tiles = restore(restorer, images, keys=["a", "b", "c"], tile=40, overlap=16)
    for other in (alone, turned, tiles):
        torch.testing.assert_close(other, together, atol=2e-4, rtol=2e-4)
    assert not torch.allclose(restore(restorer, images, keys=["x", "b", "c"])[0], together[0], atol=1e-2)


def test_without_keys_equal_pixels_get_equal_noise_and_others_get_other_noise() -> None:
    restorer = sampled(LocalNoise(), sampler="posterior", nfe=2)
    image, other = torch.rand(2, 3, 20, 20)
    assert pixel_keys(torch.stack([image, other, image]))[0] == pixel_keys(image[None])[0]
    both = restore(restorer, torch.stack([image, other, image]))
    assert torch.equal(both[0], both[2])
    torch.testing.assert_close(restore(restorer, image), both[0], atol=1e-5, rtol=1e-5)
    reseeded = sampled(LocalNoise(), sampler="posterior", nfe=2, seed=1)
    assert not torch.allclose(restore(reseeded, image), both[0], atol=1e-2)


@pytest.mark.parametrize("nfe", [1, 3, 100])
def test_a_network_that_knows_the_noise_gives_the_clean_image(nfe: int) -> None:
    image = torch.rand(3, 24, 31)
    restored = restore(sampled(Oracle(), sampler="posterior", nfe=nfe), image)
    torch.testing.assert_close(restored, image / 2, atol=2e-5, rtol=0)


def test_embeddings_are_computed_once_an_image_for_all_steps_and_tiles(make: Make) -> None:
    restorer = make("ir-sde-daclip")
    restorer.sampling = Sampling(sampler="mr-sde-2", nfe=3)
    assert restorer.daclip is not None
    seen: list[int] = []
    calls: list[tuple[int, ...]] = []
    restorer.daclip.visual.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    restorer.network.register_forward_pre_hook(lambda _, inputs: calls.append(tuple(inputs[0].shape)))
    told: list[float] = []
    restore(restorer, torch.rand(2, 3, 64, 96), tile=64, progress=told.append)
    assert seen == [2]
    assert calls == [(2, 3, 64, 64)] * 6
    assert told == [0.5, 1, 1.5, 2, 2.5, 3]


def test_a_memory_budget_cuts_the_networks_calls_into_tiles(make: Make) -> None:
    restorer = make("ir-sde-daclip")
    restorer.sampling = Sampling(nfe=1)
    image = torch.rand(3, 480, 512)  # five times what the budget is for, whatever freed buffers the process holds
    shapes: list[tuple[int, ...]] = []
    restore(restorer, image[:, :64, :64], max_memory=2**40)  # the probe happens here
    embeddings = restorer.embed(image[None])
    cost = bytes_per_pixel(
        lambda x: restorer.predict(x, x, torch.ones(1), embeddings=embeddings), side=128, batch=1, device=CPU
    )
    budget = in_use(CPU, 0) + int(cost * 140**2) + 2**26
    restorer.network.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape[2:])))
    restored = restore(restorer, image, max_memory=budget)
    assert restored.shape == image.shape
    assert restored.isfinite().all()
    assert len(shapes) > 2
    assert all(height * width < 480 * 512 for height, width in shapes)


def save(path: Path, restorer: Restorer, **more: object) -> Path:
    save_run_weights(
        path,
        task="restoration",
        network=restorer.card.name,
        state=restorer.network,
        arch=ARCHS[restorer.card.name],
        recipe={},
        dataset={},
        step=1,
        **more,  # pyright: ignore[reportArgumentType]
    )
    return path


def test_the_process_is_read_from_the_weights_and_nothing_need_be_given_again(make: Make, tmp_path: Path) -> None:
    sde = MeanRevertingSDE(steps=7, max_sigma=25.0, schedule="linear", eps=0.01)
    path = save(tmp_path / "w.safetensors", make("ir-sde"), sde=sde.settings())
    loaded = load_restorer("ir-sde", path)
    assert loaded.sde.settings() == sde.settings()
    assert loaded.nfe == 7  # posterior sampling over all its steps
    assert loaded.sampling.facts(loaded.sde)["name"] == "posterior"
    chosen = load_restorer("ir-sde", path, sampling=Sampling(sampler="mr-ode-2", nfe=3))
    assert (chosen.nfe, chosen.sampling.name) == (3, "mr-ode-2")
    found, filled = process_of(path, Sampling(nfe=5))
    assert (found.settings(), filled.name, filled.calls(found)) == (sde.settings(), "posterior", 5)


@torch.no_grad()
def test_a_released_file_without_metadata_gets_the_published_process(make: Make, tmp_path: Path) -> None:
    restorer = make("ir-sde-daclip")
    assert restorer.daclip is not None
    torch.save(restorer.network.state_dict(), tmp_path / "universal-ir.pth")
    daclip = tmp_path / "daclip.safetensors"
    save_run_weights(
        daclip,
        task="daclip",
        network="daclip",
        state=restorer.daclip,
        arch=restorer.daclip.arch,
        recipe={},
        dataset={},
        step=1,
    )
    loaded = load_restorer("ir-sde-daclip", tmp_path / "universal-ir.pth", daclip=daclip)
    assert loaded.sde.settings() == {"steps": 100, "max_sigma": 50.0, "schedule": "cosine", "eps": 0.005}
    assert (loaded.sampling.name, loaded.nfe) == ("posterior", 100)
    loaded.sampling = restorer.sampling
    image = torch.rand(1, 3, 20, 30)
    assert torch.equal(restore(loaded, image), restore(restorer, image))
    with pytest.raises(UserError, match="holds the network 'ir-sde-daclip', not 'wild-ir'"):
        load_restorer("wild-ir", tmp_path / "universal-ir.pth", daclip=daclip)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Sampling(sampler="mr-sde-3"), "did you mean 'mr-sde-2'"),
        (lambda: Sampling(nfe=0), "at least 1, got 0"),
        (lambda: Sampling(sampler="sde", prediction="data"), "'sde' has no prediction 'data'"),
        (lambda: Restorer(name="input", network=nn.Identity(), sampling=Sampling()), "restores in one pass"),
        (lambda: restore(sampled(LocalNoise(), nfe=1), torch.rand(3, 8, 8), keys=["a", "b"]), "2 keys for 1 images"),
        (lambda: restore(sampled(LocalNoise(), nfe=101), torch.rand(3, 8, 8)), "has 100 steps: give fewer"),
    ],
)
def test_impossible_choices_are_refused_in_one_sentence(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        wrong()
