"""What is particular to the networks for haze; the laws of all networks are in test_networks.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import ARCHS, shake

from models.errors import UserError
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.dehazeformer.attention import Mixer, WindowAttention, least_side
from models.networks.dehazeformer.blocks import RescaleNorm
from models.networks.dehazeformer.network import DehazeFormer, DehazeFormerT
from models.networks.gcanet.network import GCANet, SharedConv, edge_map
from models.networks.griddehazenet.network import GridDehazeNet
from models.weights.fitting import load_into
from models.weights.opened import load_state
from models.weights.saving import save_weights

NAMES = [name for name in ARCHS if name.startswith(("gcanet", "griddehazenet", "dehazeformer"))]
SIZES = [(28, 28), (29, 46), (47, 33)]


def small(name: str) -> Any:
    torch.manual_seed(1)
    return shake(build(name, ARCHS[name])).eval()


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_an_image_padded_as_the_card_says_gives_the_same(name: str) -> None:
    network = small(name)
    padding = Restorer(name=name, network=network).padding
    images = torch.rand(1, 3, 45, 50)
    down, right = padding.missing(45), padding.missing(50)
    padded = network(F.pad(images, (0, right, 0, down), mode="reflect"))
    torch.testing.assert_close(network(images), padded[..., :45, :50], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_architecture_and_weights_survive_a_file(name: str, tmp_path: Path) -> None:
    network = small(name)
    save_weights(tmp_path / "weights.safetensors", network.state_dict(), {})
    state = load_state(tmp_path / "weights.safetensors")
    arch = network.infer_arch(state)
    again: Any = build(name, arch).eval()
    load_into(again, state, "the weights")
    images = torch.rand(1, 3, 31, 30)
    assert torch.equal(again(images), network(images))


@pytest.mark.parametrize("name", NAMES)
def test_the_default_architecture_is_what_its_own_tensors_tell(name: str) -> None:
    with torch.device("meta"):
        state = build(name, {}).state_dict()
        network: Any = NETWORKS.load(name)
        again = build(name, network.infer_arch(state)).state_dict()
    assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in state.items()}
    with pytest.raises(UserError, match="these are not the weights of"):
        network.infer_arch({"conv.weight": torch.zeros(1)})


def test_the_edge_map_is_the_mean_difference_to_the_neighbours() -> None:
    image = torch.zeros(1, 3, 4, 5)
    image[..., 1, 2] = 12.0
    expected = torch.zeros(1, 1, 4, 5)
    expected[..., 1, 2] = 4 * 12 / 4
    for row, column in ((0, 2), (2, 2), (1, 1), (1, 3)):
        expected[..., row, column] = 12 / 4
    torch.testing.assert_close(edge_map(image), expected)
    image[:, 1:] = 0  # a single channel counts a third
    torch.testing.assert_close(edge_map(image), expected / 3)


def test_a_shared_kernel_starts_as_identity_and_filters_all_channels_alike() -> None:
    conv = SharedConv(3)
    x = torch.rand(2, 5, 7, 6)
    torch.testing.assert_close(conv(x), x)
    shake(conv)
    torch.testing.assert_close(conv(x), torch.cat([F.conv2d(c, conv.weight, padding=1) for c in x.split(1, 1)], 1))


@torch.no_grad()
def test_the_residual_of_gcanet_is_added_to_the_image_on_its_own_scale() -> None:
    network = small("gcanet")
    images = torch.rand(1, 3, 16, 20)
    given = torch.cat([255 * images, edge_map(255 * images)], dim=1) - 128
    expected = images + network.published(given) / 255
    torch.testing.assert_close(network(images), expected)
    direct = GCANet(**ARCHS["gcanet"], residual=False).eval()
    direct.load_state_dict(network.state_dict())
    torch.testing.assert_close(direct(images), (expected - images).clamp(min=0), atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_a_coefficient_of_zero_cuts_a_row_of_the_grid_off() -> None:
    network = GridDehazeNet(width=4, rows=2, columns=4, layers=1, growth=2).eval()
    images = torch.rand(1, 3, 9, 11)
    whole = network(images)
    network.coefficient[0, 2:, 1] = 0  # nothing comes up from the lower row
    alone = network(images)
    for key, parameter in network.named_parameters():
        if "_module.1_" in key or "sample_module" in key:
            parameter.zero_()
    assert torch.equal(network(images), alone)
    assert not torch.equal(whole, alone)


def test_a_norm_that_is_taken_back_gives_the_image_back() -> None:
    norm = RescaleNorm(4)
    x = 3 * torch.rand(2, 4, 6, 5) + 1
    mean, std = x.mean((1, 2, 3), keepdim=True), (x.var((1, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    normed, factor, summand = norm(x)
    torch.testing.assert_close(normed, (x - mean) / std)
    for meta in (norm.meta1, norm.meta2):
        torch.nn.init.ones_(meta.weight)
        torch.nn.init.zeros_(meta.bias)  # pyright: ignore[reportArgumentType]
    _, factor, summand = norm(x)
    torch.testing.assert_close(normed * factor + summand, x)


@torch.no_grad()
def test_attention_stays_within_its_window_and_shifted_windows_do_not_wrap_around() -> None:
    attention = WindowAttention(window=4, heads=2).eval()
    qkv = torch.randn(1, 12, 8, 12)
    changed = qkv.clone()
    changed[..., 5, 6] += 1
    moved = (attention(changed) - attention(qkv)).abs().sum(1)[0] > 0
    assert moved[4:, 4:8].all()
    assert moved.sum() == 16
    mixer: Any = shake(Mixer(4, heads=1, window=4, shift=2, depth=4)).eval()
    torch.nn.init.zeros_(mixer.conv.weight)
    x = torch.randn(1, 4, 12, 12)
    changed = x.clone()
    changed[..., 0, 0] += 1
    moved = (mixer(changed) - mixer(x)).abs().sum(1)[0] > 1e-6
    assert moved[:2, :2].all()
    assert not moved[2:].any()
    assert not moved[:, 2:].any()


@torch.no_grad()
def test_window_attention_equals_its_formula() -> None:
    attention: Any = shake(WindowAttention(window=2, heads=1)).eval()
    qkv = torch.randn(1, 9, 2, 2)
    q, k, v = qkv.flatten(2).transpose(1, 2).chunk(3, dim=-1)
    scores = q @ k.transpose(1, 2) / 3**0.5
    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            apart = torch.tensor([a[0] - b[0], a[1] - b[1]]).float()
            scores[0, i, j] += attention.meta(apart.sign() * (1 + apart.abs()).log())[0]
    expected = (scores.softmax(-1) @ v).transpose(1, 2).reshape(1, 3, 2, 2)
    torch.testing.assert_close(attention(qkv), expected)


@torch.no_grad()
@pytest.mark.parametrize("window", [4, 5, 8])
def test_from_the_least_side_on_every_side_can_be_mirrored_up_to_whole_windows(window: int) -> None:
    least = least_side(window)
    for shift in (0, window // 2):
        mixer: Any = Mixer(2, heads=1, window=window, shift=shift, depth=1)
        for side in range(least, 2 * window + 2):
            assert mixer(torch.rand(1, 2, side, side)).shape == (1, 2, side, side)
    with pytest.raises(RuntimeError, match="Padding size"):
        Mixer(2, heads=1, window=window, shift=window // 2, depth=1)(torch.rand(1, 2, least - 1, least - 1))


def test_the_minimum_size_of_the_card_is_that_of_the_network() -> None:
    with torch.device("meta"):
        assert DehazeFormer().minimum_size == NETWORKS["dehazeformer-b"].minimum_size == 28
        assert GCANet().minimum_size == NETWORKS["gcanet"].minimum_size == 4


def test_the_weights_of_one_published_size_are_refused_as_another() -> None:
    with torch.device("meta"):
        state = DehazeFormerT().state_dict()
    with pytest.raises(UserError, match=r"DehazeFormer-T, not -B: use the network 'dehazeformer-t'"):
        DehazeFormer.infer_arch(state)


@pytest.mark.parametrize(
    ("name", "arch", "message"),
    [
        ("gcanet", {"width": 0}, "width of at least 1"),
        ("griddehazenet", {"columns": 5}, "even number of at least 4 columns"),
        ("dehazeformer-t", {"depths": [1, 2]}, "5 stages: got 2 values as depths"),
        ("dehazeformer-t", {"widths": [5, 8, 12], "attention": [1, 0, 0, 0, 0]}, "which 2 heads do not divide"),
        ("dehazeformer-t", {"attention": [9, 0, 0, 0, 0]}, "fewer blocks than are to have attention"),
    ],
)
def test_a_wrong_architecture_is_refused_in_one_sentence(name: str, arch: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, arch)
