"""Packed networks compute what the networks they were made of compute."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.inception import BasicConv2d

from benchmark.metrics.packed import packed, packs
from benchmark.metrics.precision import exact_float32

pytestmark = pytest.mark.skipif(not packs("cpu"), reason="this torch has no packed convolutions")

SIZES = [(40, 56), (56, 40), (65, 33)]


def network() -> nn.Module:
    """Return normalised and bare convolutions, with and without bias, strides, groups and odd kernels."""
    torch.manual_seed(0)
    found = nn.Sequential(
        nn.Conv2d(3, 16, 11, stride=4, padding=2),
        nn.ReLU(),
        BasicConv2d(16, 24, kernel_size=(1, 7), padding=(0, 3)),
        nn.MaxPool2d(2),
        BasicConv2d(24, 32, kernel_size=3),
        nn.Conv2d(32, 32, 1, groups=4, bias=False),
    )
    for layer in found.modules():
        if isinstance(layer, nn.BatchNorm2d):
            mean, variance = layer.get_buffer("running_mean"), layer.get_buffer("running_var")
            nn.init.uniform_(mean, -1, 1)
            nn.init.uniform_(variance, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.uniform_(layer.bias, -1, 1)
    return found.requires_grad_(False).eval().to(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_same_numbers_to_rounding(size: tuple[int, int]) -> None:
    plain = network()
    ready = packed(plain, torch.zeros(1, 3, *SIZES[0]))
    image = torch.rand(1, 3, *size)
    with torch.inference_mode():
        expected, found = plain(image), ready(image)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found < 0).any(), "a bare convolution is not clamped"


def test_the_network_itself_is_left_as_it_was() -> None:
    plain = network()
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    packed(plain, torch.zeros(1, 3, *SIZES[0]))
    after = plain.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any(layer._forward_pre_hooks for layer in plain.modules())


def test_every_thread_gets_the_same_bits() -> None:
    ready = packed(network(), torch.zeros(1, 3, *SIZES[0]))
    image = torch.rand(1, 3, *SIZES[0])
    found: list[Any] = []

    def compute() -> None:
        with exact_float32():
            found.append(ready(image))

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    compute()
    assert len(found) == 5
    assert all(torch.equal(one, found[0]) for one in found)
