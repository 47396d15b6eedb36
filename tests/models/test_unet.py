"""The noise-predicting U-Nets: the laws of every sampled network, and the algebra that makes these fast."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import explicit_attention
import pytest
import torch
import torch.nn.functional as F
from explicit_attention import attend, linear_attention, transform
from small_models import ARCHS, shake
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.attention import ContentTransformer, SelfAttention
from models.errors import UserError
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.unet import ConditionalUNet, PlainUNet, WildUNet
from models.networks.unet_blocks import LinearAttention, TimeEncoding, Upsample

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


def test_the_time_is_encoded_as_sines_and_cosines_of_falling_frequency() -> None:
    encoded = TimeEncoding(4)(torch.tensor([0, 2]))
    expected = torch.tensor([[0.0, 0, 1, 1], [0.9092974, 0.0002, -0.4161468, 1.0]])
    torch.testing.assert_close(encoded, expected, atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
def test_the_transposed_convolution_equals_repeating_pixels_and_convolving(size: tuple[int, int]) -> None:
    up: Any = Upsample(5, 7)
    x = torch.randn(2, 5, *size)
    conv = up[1]
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(up(x), expected, atol=2e-6, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("last", [False, True])
def test_linear_attention_equals_the_explicit_computation(last: bool) -> None:
    attention: Any = shake(LinearAttention(24))
    x = torch.randn(2, 24, 7, 5)
    given = x.contiguous(memory_format=torch.channels_last) if last else x
    torch.testing.assert_close(attention(given), linear_attention(attention, x), atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_the_content_bias_equals_explicit_cross_attention_to_one_token() -> None:
    transformer: Any = shake(ContentTransformer(channels=64, content_dim=48, published_keys=True))
    x, content = torch.randn(2, 64, 5, 6), torch.randn(2, 48)
    explicit = transform(transformer, x, content[:, None])
    torch.testing.assert_close(transformer(x, content), explicit, atol=1e-5, rtol=1e-5)
    other = transform(transformer, x, torch.stack([content, content.flip(0)], dim=1))
    assert not torch.allclose(other, explicit, atol=1e-3)


@torch.no_grad()
def test_self_attention_equals_the_explicit_computation() -> None:
    attention: Any = shake(SelfAttention(dim=64, heads=2))
    tokens = torch.randn(2, 33, 64)
    torch.testing.assert_close(attention(tokens), attend(attention, tokens, tokens), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the memory figures of Linux")
def test_self_attention_never_holds_the_matrix_of_all_pairs() -> None:
    # As many tokens as the deepest level has for an image of 768x768: the matrix of one head takes 324 MiB.
    count = (768 // 8) ** 2
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def peak(kind: str) -> int:
        program = [sys.executable, explicit_attention.__file__, kind, str(count)]
        return int(subprocess.run(program, check=True, capture_output=True, text=True, env=environment).stdout)

    assert peak("explicit") > 4 * count**2
    assert peak("ours") < 4 * count**2 / 8


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
