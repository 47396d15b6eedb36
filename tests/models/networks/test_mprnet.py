"""What is particular to MPRNet: patches, three predictions, one slope for all, and its three published sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import ARCHS, shake
from torch import nn

from models.errors import UserError
from models.inference.loading import load_restorer
from models.inference.restore import restore
from models.networks.build import build
from models.networks.mprnet.blocks import Down, SupervisedAttention, Up
from models.networks.mprnet.network import MPRNet, join, split

PUBLISHED = {
    "keys": {},
    "keys_denoising": {"width": 80, "growth": 48, "full_growth": 32},
    "keys_deblurring": {"width": 96, "growth": 48, "full_growth": 32},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_three_published_models_have_the_published_keys(name: str, shared: Path) -> None:
    table = json.loads((shared / "parity" / "golden" / "mprnet" / f"{name}.json").read_text())
    with torch.device("meta"):
        network = MPRNet(**PUBLISHED[name])
    state = network.state_dict()
    assert [[key, list(value.shape)] for key, value in state.items()] == [row[:2] for row in table["keys"]]
    assert sum(parameter.numel() for parameter in network.parameters()) == table["total_params"]
    assert build("mprnet", MPRNet.infer_arch(state)).state_dict().keys() == state.keys()
    assert MPRNet.infer_arch(state).items() >= PUBLISHED[name].items()


def test_all_blocks_share_one_slope() -> None:
    network = build("mprnet", ARCHS["mprnet"])
    state = network.state_dict(keep_vars=True)
    slopes = [value for key, value in state.items() if key.endswith(".body.1.weight") and value.numel() == 1]
    assert len(slopes) > 20
    assert len({id(value) for value in slopes}) == 1


@pytest.mark.parametrize(
    "arch",
    [
        {"width": 10, "growth": 4, "full_growth": 3, "blocks": 1, "reduction": 3},
        {"width": 8, "growth": 5, "full_growth": 1, "blocks": 4, "reduction": 2},
    ],
)
def test_the_architecture_of_an_mprnet_is_read_off_its_keys(arch: dict[str, Any]) -> None:
    assert MPRNet.infer_arch(MPRNet(**arch).state_dict()) == arch


def test_weights_of_others_and_impossible_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="not the weights of an MPRNet"):
        MPRNet.infer_arch({"conv.weight": torch.zeros(1)})
    with pytest.raises(UserError, match="no larger reduction"):
        build("mprnet", {"width": 8, "reduction": 9})


def test_patches_are_put_together_as_they_were_cut() -> None:
    x = torch.rand(2, 3, 8, 12)
    for dim in (2, 3):
        assert torch.equal(join(split(x, dim=dim), dim=dim), x)
    patches = split(split(x, dim=2), dim=3)
    assert torch.equal(patches[1], x[1, :, :4, :6])
    assert torch.equal(patches[2], x[0, :, 4:, :6])
    assert torch.equal(patches[5], x[1, :, :4, 6:])


@torch.no_grad()
def test_a_half_of_the_first_stage_does_not_see_the_other() -> None:
    network: Any = shake(build("mprnet", ARCHS["mprnet"])).eval()
    image = torch.rand(1, 3, 32, 24)
    changed = image.clone()
    changed[..., 20, 5] += 1
    before, after = network.predictions(image), network.predictions(changed)
    torch.testing.assert_close(after[0][..., :16, :], before[0][..., :16, :])
    for stage in range(3):
        assert not torch.allclose(after[stage][..., 16:, :], before[stage][..., 16:, :], atol=1e-4)
    # From the second stage on, channel attention over the whole image carries it everywhere.
    assert not torch.allclose(after[1][..., :12, :], before[1][..., :12, :], atol=1e-7)


@torch.no_grad()
def test_resampling_equals_bilinear_interpolation_before_the_convolution() -> None:
    up: Any = shake(Up(4, growth=3), amount=0.5)
    x = torch.randn(2, 7, 5, 6)
    torch.testing.assert_close(up(x), up.up[1](F.interpolate(x, scale_factor=2, mode="bilinear")), atol=1e-5, rtol=1e-5)
    down: Any = shake(Down(4, growth=3), amount=0.5)
    x = torch.randn(2, 4, 6, 10)
    halved = F.interpolate(x, scale_factor=0.5, mode="bilinear")
    torch.testing.assert_close(down(x), down.down[1](halved), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_supervised_attention_adds_the_image_and_weighs_the_features() -> None:
    attention: Any = shake(SupervisedAttention(6), amount=0.5)
    x, image = torch.randn(2, 6, 5, 4), torch.rand(2, 3, 5, 4)
    features, restored = attention(x, image)
    torch.testing.assert_close(restored, attention.conv2(x) + image)
    torch.testing.assert_close(features, x + attention.conv1(x) * attention.conv3(restored).sigmoid())


def test_a_file_laid_out_as_the_authors_do_is_loaded_and_restores_any_size(tmp_path: Path) -> None:
    network: nn.Module = shake(build("mprnet", ARCHS["mprnet"])).eval()
    path = tmp_path / "model_deraining.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}, "epoch": 3}, path)
    image = torch.rand(3, 27, 16)
    restored = restore(load_restorer("mprnet", path), image)
    with torch.no_grad():
        padded = network(F.pad(image[None], (0, 0, 0, 5), mode="reflect"))
    torch.testing.assert_close(restored, padded[0, :, :27])
    assert not torch.allclose(restored, image, atol=1e-3)
