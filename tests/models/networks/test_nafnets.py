"""What is particular to NAFNet and its variants that listen to DA-CLIP, and how a wrong architecture is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import ARCHS, shake

from models.errors import UserError
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.layers import ChannelNorm, LayerNorm2d, scaled_conv
from models.networks.nafnet.conditional import ConditionalNAFNet
from models.networks.nafnet.network import NAFNet

Make = Callable[..., Restorer]
NAFNETS = ("nafnet", "nafnet-degradation", "nafnet-daclip")
CONDITIONED = [name for name in NAFNETS if NETWORKS[name].conditioning != "none"]
SMALL: dict[str, Any] = {
    "width": 32,
    "encoder_blocks": (1, 1),
    "decoder_blocks": (1, 1),
    "embedding_dim": 64,
    "prompt_dim": 16,
}


@pytest.mark.parametrize("name", ["input", *NAFNETS])
def test_an_untrained_network_returns_its_input(name: str, make: Make) -> None:
    images = torch.rand(2, 3, 33, 57)
    assert torch.equal(make(name, shaken=False)(images), images)


@pytest.mark.parametrize("name", NAFNETS)
def test_an_untrained_network_starts_to_learn(name: str, make: Make) -> None:
    restorer = make(name, shaken=False).train()
    optimiser = torch.optim.AdamW(restorer.network.parameters(), lr=2e-3)
    images = torch.rand(2, 3, 32, 32)
    target = images * 0.5
    losses = []
    for _ in range(30):
        loss = (restorer(images) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_architecture_of_a_nafnet_is_read_off_its_keys() -> None:
    arch = {"width": 4, "encoder_blocks": [2, 1, 0], "middle_blocks": 3, "decoder_blocks": [1, 0, 2]}
    network = build("nafnet", arch)
    assert NAFNet.infer_arch(network.state_dict()) == arch
    with pytest.raises(UserError, match="not the weights of a NAFNet"):
        NAFNet.infer_arch({"conv.weight": torch.zeros(1)})


def test_a_nafnet_fills_odd_sizes_with_zeros_and_crops() -> None:
    network = shake(build("nafnet", ARCHS["nafnet"]))
    images = torch.rand(1, 3, 13, 10)
    expected = network(F.pad(images, (0, 2, 0, 3)))[..., :13, :10]
    torch.testing.assert_close(network(images), expected)


def blocks_that_attend(cross: str) -> list[str]:
    network = ConditionalNAFNet(**SMALL, middle_blocks=1, cross=cross)
    return [name for name, module in network.named_modules() if getattr(module, "cross", False)]


def test_attention_to_the_content_sits_where_the_option_says() -> None:
    assert blocks_that_attend("none") == []
    assert blocks_that_attend("middle") == ["middle_blks.0"]
    assert blocks_that_attend("middle+deepest") == ["encoders.1.0", "decoders.0.0", "middle_blks.0"]


@torch.no_grad()
@pytest.mark.parametrize("name", CONDITIONED)
def test_the_embeddings_that_a_card_names_change_the_output(name: str, make: Make) -> None:
    restorer = make(name)
    images = torch.rand(1, 3, 16, 16)
    embeddings = restorer.embed(images)
    assert embeddings is not None
    content, degradation = embeddings
    output = restorer.apply_network(images, (content, degradation))
    assert not torch.allclose(output, restorer.apply_network(images, (content, degradation + 1)), atol=1e-5)
    moved = restorer.apply_network(images, (content + 1, degradation))
    assert torch.equal(output, moved) == (NETWORKS[name].conditioning == "degradation")


def test_norms_and_folded_factors_equal_their_definitions() -> None:
    x = torch.randn(2, 6, 5, 7)
    centred = x - x.mean(1, keepdim=True)
    normed = centred / (x.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
    norm: Any = shake(LayerNorm2d(6))
    torch.testing.assert_close(norm(x), normed * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1))
    gained: Any = shake(ChannelNorm(6, eps=1e-6))
    torch.testing.assert_close(gained(x), normed * gained.g)
    conv, factor = torch.nn.Conv2d(6, 4, 1), torch.randn(1, 4, 1, 1)
    torch.testing.assert_close(scaled_conv(conv, factor, x), factor * conv(x))


@pytest.mark.parametrize(
    ("name", "arch", "message"),
    [
        ("nafent", {}, "did you mean 'nafnet'"),
        ("nafnet", {"widht": 8}, "did you mean 'width'"),
        ("input", {"width": 8}, "known: none"),
        ("nafnet", {"width": "wide"}, "cannot be built"),
        ("nafnet", {"encoder_blocks": [1]}, "as many encoder levels"),
        ("nafnet-daclip", {"cross": "midle"}, "did you mean 'middle'"),
        ("nafnet-daclip", {"prompt_dim": 7}, "even number"),
        ("nafnet-daclip", {"width": 2}, "multiple of 32"),
        ("nafnet-degradation", {"cross": "middle"}, "no argument 'cross'"),
    ],
)
def test_a_wrong_architecture_is_refused_in_one_sentence(name: str, arch: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, arch)


def test_missing_content_is_refused() -> None:
    network = ConditionalNAFNet(**SMALL)
    with pytest.raises(ValueError, match="content"):
        network(torch.rand(1, 3, 8, 8), degradation=torch.rand(1, 64))
