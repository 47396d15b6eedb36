"""The laws of every sampled network, and what is particular to the noise-predicting U-Nets."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import ARCHS, shake
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.errors import UserError
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.ir_sde.network import ConditionalUNet, PlainUNet, WildUNet

SAMPLED = [name for name, card in NETWORKS.items() if card.sampler]
UNETS = [name for name in SAMPLED if "multipliers" in ARCHS[name]]
EMBEDDING = 64


def small(name: str, **changes: object) -> Any:
    """A small network whose zero-initialised layers are shaken."""
    torch.manual_seed(3)
    return shake(build(name, {**ARCHS[name], **changes})).eval()


def inputs(batch: int = 2, size: tuple[int, int] = (16, 24), dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """A state, its degraded image, times and embeddings."""
    generator = torch.Generator().manual_seed(4)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    return {
        "state": draw(batch, 3, *size),
        "degraded": draw(batch, 3, *size).sigmoid(),
        "time": torch.linspace(3, 77, batch),
        "degradation": draw(batch, EMBEDDING),
        "content": draw(batch, EMBEDDING),
    }


@pytest.mark.parametrize("name", SAMPLED)
def test_a_gradient_reaches_every_parameter_but_the_declared_ones(name: str) -> None:
    network = small(name).train()
    network(**inputs()).square().mean().backward()
    silent = {k for k, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0}
    assert silent == set(network.unused_parameters)
    assert bool(silent) == (NETWORKS[name].conditioning != "none")


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in SAMPLED if NETWORKS[name].conditioning != "none"])
def test_the_declared_parameters_never_matter(name: str) -> None:
    network = small(name)
    before = network(**inputs())
    for key, parameter in network.named_parameters():
        if key in network.unused_parameters:
            parameter.fill_(1e6)
    assert torch.equal(network(**inputs()), before)


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 5), (8, 16), (13, 31), (33, 18)])
@pytest.mark.parametrize("name", SAMPLED)
def test_every_size_works_and_equals_the_extended_image_cropped(name: str, size: tuple[int, int]) -> None:
    network = small(name).double()
    batch = inputs(size=size, dtype=torch.float64)
    noise = network(**batch)
    assert noise.shape == batch["state"].shape
    assert noise.isfinite().all()
    below, right = -size[0] % network.stride, -size[1] % network.stride
    mode = "reflect" if below < size[0] and right < size[1] else "replicate"
    mode = mode if name in UNETS else "constant"
    filled = {k: F.pad(batch[k], (0, right, 0, below), mode=mode) for k in ("state", "degraded")}
    whole = network(**{**batch, **filled})
    torch.testing.assert_close(noise, whole[..., : size[0], : size[1]], atol=1e-9, rtol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLED)
def test_a_batch_gives_what_its_images_give_alone(name: str) -> None:
    network = small(name).double()
    batch = inputs(batch=3, dtype=torch.float64)
    alone = [network(**{k: v[i : i + 1] for k, v in batch.items()}) for i in range(3)]
    torch.testing.assert_close(network(**batch), torch.cat(alone), atol=1e-9, rtol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLED)
def test_one_number_as_time_stands_for_all_images(name: str) -> None:
    network = small(name).double()
    batch = {**inputs(dtype=torch.float64), "time": torch.tensor([37.0, 37.0])}
    for time in (37, 37.0, torch.tensor(37), torch.tensor([37.0])):
        torch.testing.assert_close(network(**{**batch, "time": time}), network(**batch), atol=1e-9, rtol=1e-9)
    assert not torch.allclose(network(**{**batch, "time": 38}), network(**batch), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLED)
def test_the_embeddings_that_a_card_names_change_the_output_and_no_others(name: str) -> None:
    network = small(name)
    batch = inputs()
    for embedding in ("degradation", "content"):
        changed = {**batch, embedding: batch[embedding].flip(0)}
        named = embedding in NETWORKS[name].conditioning.split("+")
        assert torch.equal(network(**changed), network(**batch)) != named


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLED)
def test_the_memory_layout_of_inputs_and_weights_does_not_matter(name: str) -> None:
    network = small(name).double()
    batch = inputs(dtype=torch.float64)
    expected = network(**batch)
    last = {k: v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v for k, v in batch.items()}
    torch.testing.assert_close(network(**last), expected, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(network.to(memory_format=torch.channels_last)(**batch), expected, atol=1e-9, rtol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("how", ["autocast", "weights"])
@pytest.mark.parametrize("name", SAMPLED)
def test_bfloat16_stays_close_to_float32(name: str, how: str) -> None:
    network = small(name)
    batch = inputs()
    expected = network(**batch)
    if how == "autocast":
        with torch.autocast("cpu", torch.bfloat16):
            got = network(**batch)
    else:
        got = network.bfloat16()(**{k: v if k == "time" else v.bfloat16() for k, v in batch.items()})
    assert got.dtype == torch.bfloat16
    assert (got.float() - expected).std() < 0.03 * expected.std()


@torch.no_grad()
@pytest.mark.parametrize("changes", [{}, {"multipliers": (2,)}, {"multipliers": [2, 3, 1], "half_resolution": True}])
@pytest.mark.parametrize("name", UNETS)
def test_the_architecture_is_read_off_the_keys(name: str, changes: dict[str, object]) -> None:
    network = small(name, **changes)
    arch = type(network).infer_arch(network.state_dict())
    twin = build(name, arch).eval()
    assert list(twin.state_dict()) == list(network.state_dict())
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin(**inputs()), network(**inputs()))


@torch.no_grad()
@pytest.mark.parametrize("size", [(16, 24), (32, 48)])
@pytest.mark.parametrize("half", [False, True])
def test_flops_are_those_of_the_formula(size: tuple[int, int], half: bool) -> None:
    width, t, multipliers = 16, 64, (1, 2, 3)
    network = PlainUNet(width=width, multipliers=multipliers, half_resolution=half).eval()
    batch = inputs(batch=1, size=size)
    with FlopCounterMode(display=False) as counter:
        network(batch["state"], batch["degraded"], 5)
    channels = [width, *(width * m for m in multipliers)]
    pixels = full = size[0] * size[1]

    def block(i: int, o: int) -> int:
        return pixels * (9 * i * o + 9 * o * o + (i * o if i != o else 0)) + t * 2 * o

    def attention(c: int) -> int:  # three projections, keys by values for all heads, the small product, the output
        return pixels * 128 * (3 * c + 128 + c) + c * 128 * 32

    total = pixels * 49 * 6 * width + width * t + t * t
    if half:
        pixels //= 4
        total += 2 * pixels * 16 * width * width
    for level, (i, o) in enumerate(pairwise(channels)):
        last = level == len(multipliers) - 1
        total += 2 * block(i, i) + attention(i) + 2 * block(o + i, o) + attention(o)
        total += pixels * 9 * i * o if level == 0 else 4 * pixels * 4 * i * o  # up: 16 taps an input pixel
        total += pixels * 9 * i * o if last else pixels // 4 * 16 * i * o
        pixels = pixels if last else pixels // 4
    middle = channels[-1]
    total += 2 * block(middle, middle) + attention(middle)
    pixels = full
    total += block(2 * width, width) + pixels * 9 * width * 3
    assert counter.get_total_flops() == 2 * total


def test_the_published_sizes_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        counts = [
            (len(net.state_dict()), sum(p.numel() for p in net.parameters()))
            for net in (ConditionalUNet(), WildUNet(), PlainUNet(), PlainUNet(multipliers=(2, 4, 8, 16)))
        ]
    assert counts == [(224, 48_975_747), (221, 49_470_467), (151, 36_236_419), (151, 137_147_523)]


@pytest.mark.parametrize(
    ("name", "arch", "message"),
    [
        ("ir-sde", {"width": 3}, "even width of at least 4"),
        ("ir-sde", {"multipliers": ()}, "at least one level"),
        ("ir-sde", {"multipliers": (1, 0)}, "at least 1"),
        ("ir-sde", {"content_dim": 512}, "no argument 'content_dim'"),
        ("ir-sde", {"multiplier": (1, 2)}, "did you mean 'multipliers'"),
        ("ir-sde-daclip", {"width": 8, "multipliers": (1, 2)}, "multiple of 32"),
        ("ir-sde-daclip", {"degradation_dim": 0}, "length of an embedding"),
        ("wild-ir", {"degradation_dim": 768}, "no argument 'degradation_dim'"),
    ],
)
def test_a_wrong_architecture_is_refused_in_one_sentence(name: str, arch: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, arch)


def test_weights_of_another_network_are_refused() -> None:
    state = small("ir-sde-daclip").state_dict()
    with pytest.raises(UserError, match="content_dim and degradation_dim"):
        PlainUNet.infer_arch(state)
    with pytest.raises(UserError, match="degradation_dim, which this one does not have"):
        WildUNet.infer_arch(state)
    with pytest.raises(UserError, match="not the weights of an IR-SDE U-Net"):
        ConditionalUNet.infer_arch({"intro.weight": torch.zeros(1)})


def test_missing_content_is_refused_and_a_missing_degradation_leaves_the_prompt_out() -> None:
    network = small("ir-sde-daclip")
    batch = inputs()
    with pytest.raises(ValueError, match="content"):
        network(**batch | {"content": None})
    silenced = small("ir-sde-daclip")
    nn.init.zeros_(silenced.prompt_mlp.weight)
    nn.init.zeros_(silenced.prompt_mlp.bias)
    torch.testing.assert_close(network(**{**batch, "degradation": None}), silenced(**batch))
    assert not torch.allclose(network(**batch), silenced(**batch), atol=1e-5)
    without = small("ir-sde-daclip", degradation_dim=None)
    assert without(**batch).shape == batch["state"].shape
