"""Laws that every network obeys that restores in one pass; those of sampled networks are in test_unet.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from small_models import WITHOUT_WEIGHTS, shake
from torch import Tensor

from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.padding import pad

Make = Callable[..., Restorer]
# Sampled networks predict noise: they are called with a state and a time as well, and start anywhere.
ONE_PASS = [name for name, card in NETWORKS.items() if not card.sampler]
LEARNERS = [name for name in ONE_PASS if name not in WITHOUT_WEIGHTS]


def accepted(restorer: Restorer, *, batch: int = 2, side: int = 32) -> Tensor:
    """Random images of a size that the network takes, not square where it can be helped."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, side, side + 8, generator=generator)
    return pad(images, restorer.padding)[0]


def supervised(restorer: Restorer, images: Tensor) -> Sequence[Tensor]:
    """What training compares with the clean image."""
    predictions: Any = getattr(restorer.network, "predictions", None)
    return (restorer(images),) if predictions is None else predictions(images)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_gradient_reaches_every_parameter(name: str, make: Make) -> None:
    exempt: Any = getattr(make(name).network, "without_gradient", ())
    silent: set[str] | None = None
    # In so small a network a rectifier may happen to be off; what is off for all of several weights is cut off.
    for seed in range(6):
        restorer = make(name).train()
        shake(restorer.network, seed=seed, amount=0.1)
        loss = torch.zeros(())
        for output in supervised(restorer, accepted(restorer)):
            loss = loss + (output - torch.rand(output.shape)).pow(2).mean()
        loss.backward()
        now = {k for k, p in restorer.network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0}
        silent = now if silent is None else silent & now
        if restorer.daclip is not None:
            assert all(p.grad is None for p in restorer.daclip.parameters())
        if not silent:
            break
    assert silent is not None
    assert not [key for key in sorted(silent) if not any(re.search(pattern, key) for pattern in exempt)]


@torch.no_grad()
@pytest.mark.parametrize("name", LEARNERS)
def test_what_training_supervises_ends_with_what_is_restored(name: str, make: Make) -> None:
    restorer = make(name)
    images = accepted(restorer)
    outputs = supervised(restorer, images)
    torch.testing.assert_close(outputs[-1], restorer(images), atol=1e-5, rtol=1e-5)
    areas = [output.shape[2] * output.shape[3] for output in outputs]
    assert max(areas) == areas[-1] == images.shape[2] * images.shape[3]
    assert all(output.shape[:2] == images.shape[:2] for output in outputs)


@torch.no_grad()
@pytest.mark.parametrize("name", ONE_PASS)
def test_a_batch_gives_what_its_images_give_alone(name: str, make: Make) -> None:
    restorer = make(name)
    images = accepted(restorer, batch=3, side=24)
    together = restorer(images)
    alone = torch.cat([restorer(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=2e-5 * max(1.0, float(alone.abs().max())), rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ONE_PASS)
def test_the_same_image_always_gives_the_same_output(name: str, make: Make) -> None:
    restorer = make(name)
    image = torch.rand(3, 41, 30)
    kept = image.clone()
    assert torch.equal(restore(restorer, image), restore(restorer, image))
    assert torch.equal(image, kept)
    assert torch.equal(restore(restorer, image), restore(make(name), image))


@torch.no_grad()
@pytest.mark.parametrize("name", LEARNERS)
def test_restoring_leaves_no_trace_in_the_network(name: str, make: Make) -> None:
    restorer = make(name)
    before = {key: value.clone() for key, value in restorer.network.state_dict().items()}
    restore(restorer, torch.rand(3, 40, 40))
    after = restorer.network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
