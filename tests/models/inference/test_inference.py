"""Restoring images of any size, whole or in tiles, within a memory budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.daclip.preprocess import preprocess_images
from models.errors import UserError
from models.inference.cpu import release_buffers
from models.inference.memory import bytes_per_pixel, in_use
from models.inference.restore import parse_memory, restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS

Make = Callable[..., Restorer]
CPU = torch.device("cpu")
LOCAL = "test_inference:Local"


class Local(nn.Module):
    """Four 3x3 convolutions: no pixel depends on another more than four away."""

    def __init__(self, *, multiple_of: int = 1, reach: int | None = None) -> None:
        super().__init__()
        self.multiple_of = multiple_of
        self.reach = reach
        torch.manual_seed(0)
        self.layers = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)))

    def forward(self, degraded: Tensor) -> Tensor:
        assert degraded.shape[2] % self.multiple_of == degraded.shape[3] % self.multiple_of == 0
        return self.layers(degraded)


def local(multiple_of: int = 1, reach: int | None = None) -> Restorer:
    return Restorer(name=LOCAL, network=Local(multiple_of=multiple_of, reach=reach)).eval()


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (33, 57), (64, 32)])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_restores_every_size(name: str, size: tuple[int, int], make: Make) -> None:
    restorer = make(name)
    image = torch.rand(3, *size)
    restored = restore(restorer, image)
    assert restored.shape == image.shape
    assert restored.isfinite().all()
    batch = restore(restorer, torch.stack([image, image]))
    # Sampled with random weights, images leave [0, 1] by far: the tolerance is relative to what comes out. What is
    # normalised over an image of one pixel is rounding noise: there, it need not be the same.
    size_of_output = max(1.0, float(restored.abs().max())) * (200 if size == (1, 1) else 1)
    torch.testing.assert_close(batch, torch.stack([restored, restored]), atol=1e-5 * size_of_output, rtol=1e-5)


@torch.no_grad()
def test_padding_follows_the_networks_own_convention(make: Make) -> None:
    restorer = make("nafnet")
    image = torch.rand(1, 3, 13, 10)
    torch.testing.assert_close(restore(restorer, image), restorer.network(image))


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 16)])
def test_small_images_are_reflected_or_repeated_up_to_the_multiple(size: tuple[int, int]) -> None:
    restorer = local(8)
    assert restore(restorer, torch.rand(3, *size)).shape == (3, *size)


@pytest.mark.parametrize("size", [(150, 230), (64, 200), (201, 65)])
@pytest.mark.parametrize("multiple", [1, 8])
def test_tiles_of_a_local_network_join_to_the_whole(size: tuple[int, int], multiple: int) -> None:
    restorer = local(multiple)
    image = torch.rand(2, 3, *size)
    whole = restore(restorer, image)
    torch.testing.assert_close(restore(restorer, image, tile=64, overlap=32), whole, atol=1e-5, rtol=1e-5)
    # With less overlap than the network looks far, seams appear: the blending is what makes the difference above.
    assert not torch.allclose(restore(restorer, image, tile=64, overlap=0), whole, atol=1e-5)


@pytest.mark.parametrize("overlap", [0, 1, 2, 17, 63])
def test_tiles_cover_every_pixel_with_any_overlap(overlap: int) -> None:
    restorer = Restorer(name="torch.nn:Identity", network=nn.Identity())
    image = torch.rand(3, 130, 97)
    torch.testing.assert_close(restore(restorer, image, tile=64, overlap=overlap), image)


def test_embeddings_are_computed_once_on_the_whole_image(make: Make) -> None:
    restorer = make("nafnet-daclip")
    assert restorer.daclip is not None
    seen: list[Tensor] = []
    restorer.daclip.visual.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    image = torch.rand(1, 3, 100, 180)
    restore(restorer, image, tile=64)
    assert len(seen) == 1
    assert torch.equal(seen[0], preprocess_images(image, size=restorer.daclip.image_size))


def test_a_memory_budget_decides_on_tiles(make: Make) -> None:
    restorer = make("nafnet")
    shapes: list[tuple[int, int]] = []
    image = torch.rand(3, 512, 640)
    release_buffers()
    idle = in_use(CPU, 0)
    restore(restorer, image, max_memory=2**40)  # the probe happens here
    restorer.network.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape[2:])))
    restore(restorer, image, max_memory=2**40)
    assert shapes == [(512, 640)]
    shapes.clear()
    cost = bytes_per_pixel(restorer.network, side=128, batch=1, device=CPU)
    budget = idle + int(cost * 250**2) + 2**25
    restored = restore(restorer, image, max_memory=budget)
    assert len(shapes) > 1
    assert all(h * w < 512 * 640 for h, w in shapes)
    assert restored.shape == image.shape
    with pytest.raises(UserError, match=r"do not suffice .* MiB are needed"):
        restore(restorer, image, max_memory=2**20)


def test_the_estimate_counts_what_is_alive_at_once() -> None:
    def apply(x: Tensor) -> Tensor:
        for _ in range(10):
            x = x + 1  # each result outlives its input only for one step: input, old and new
        return x

    # Three channels of four bytes: the input belongs to the caller; two results at most are alive together.
    cost = bytes_per_pixel(apply, side=1024, batch=1, device=CPU, in_torch=True)
    assert 12 * 2 <= cost <= 12 * 2 * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4G", 4 * 2**30),
        ("512M", 512 * 2**20),
        ("1.5 GiB", 3 * 2**29),
        ("100kb", 102400),
        ("1000", 1000),
        ("2t", 2**41),
    ],
)
def test_amounts_of_memory_are_read(text: str, expected: int) -> None:
    assert parse_memory(text) == expected


@pytest.mark.parametrize("text", ["", "four", "-1G", "4X", "G", "0", "1e3"])
def test_other_texts_are_no_amount_of_memory(text: str) -> None:
    with pytest.raises(UserError, match="512M or 4G"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 8, 8), {}, "expected an image"),
        ((8, 8), {}, "expected an image"),
        ((3, 0, 8), {}, "expected an image"),
        ((3, 99, 99), {"tile": 32}, "too small"),
        ((3, 99, 99), {"tile": 64, "overlap": -1}, "negative"),
    ],
)
def test_impossible_requests_are_refused(shape: tuple[int, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        restore(local(), torch.zeros(shape), **options)


def test_a_restorer_says_what_is_wrong_with_an_image(make: Make) -> None:
    words = ("noisy", "hazy", "rainy")
    result = make("nafnet-degradation").recognise(torch.rand(3, 40, 70), words)
    assert {word for word, _ in result} == set(words)
    assert sum(p for _, p in result) == pytest.approx(1, abs=1e-5)
    assert [p for _, p in result] == sorted((p for _, p in result), reverse=True)
    with pytest.raises(UserError, match="uses no DA-CLIP"):
        make("nafnet").recognise(torch.rand(3, 8, 8), words)
