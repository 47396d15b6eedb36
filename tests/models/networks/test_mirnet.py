"""What is particular to MIRNet: tensors with several names, the sizes that it takes, and its two kinds of attention."""

from __future__ import annotations

from typing import Any

import torch
from small_models import shake

from models.networks.mirnet.blocks import BlurredHalf, ChannelAttention, SelectiveFusion, SpatialAttention
from models.networks.mirnet.network import MIRNet

ARCH: dict[str, Any] = {"width": 16, "groups": 2, "blocks": 1, "rows": 3, "columns": 3}


def test_the_blocks_of_a_row_are_one_and_all_share_their_activation() -> None:
    network = MIRNet(**ARCH)
    state = network.state_dict(keep_vars=True)
    first = state["body.0.body.0.blocks.1.0.conv1x1.weight"]
    assert all(state[f"body.0.body.0.blocks.1.{column}.conv1x1.weight"] is first for column in range(3))
    assert state["body.1.body.0.blocks.1.0.conv1x1.weight"] is not first
    slopes = {id(value) for key, value in state.items() if "blocks" in key and key.endswith(".body.1.weight")}
    assert len(slopes) == 1


def test_the_architecture_of_a_mirnet_is_read_off_its_keys() -> None:
    for arch in (ARCH, {"width": 8, "groups": 1, "blocks": 2, "rows": 4, "columns": 1}):
        assert MIRNet.infer_arch(MIRNet(**arch).state_dict()) == arch


@torch.no_grad()
def test_every_multiple_of_the_declared_number_keeps_its_size() -> None:
    network = shake(MIRNet(**ARCH)).eval()
    assert network.multiple_of == 4
    for size in ((4, 4), (4, 12), (20, 8)):
        images = torch.rand(1, 3, *size)
        restored = network(images)
        assert restored.shape == images.shape
        assert not torch.equal(restored, images)


def test_halving_blurs_with_a_binomial_and_keeps_a_plane() -> None:
    half = BlurredHalf(2)
    torch.testing.assert_close(half(torch.full((1, 2, 6, 8), 0.7)), torch.full((1, 2, 3, 4), 0.7))
    impulse = torch.zeros(1, 2, 5, 5)
    impulse[:, :, 2, 2] = 16
    # The pixel itself lies on the grid: it keeps 4/16, and no other sample sees it.
    assert half(impulse)[0, 0].tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]
    impulse = torch.zeros(1, 2, 5, 5)
    impulse[:, :, 1, 2] = 16
    assert half(impulse)[0, 0].tolist() == [[0, 4, 0], [0, 2, 0], [0, 0, 0]]


def test_fusion_weights_sum_to_one_in_every_channel() -> None:
    fuse = shake(SelectiveFusion(8, 3), amount=1.0)
    x = torch.rand(2, 8, 5, 6)
    torch.testing.assert_close(fuse([x, x, x]), x)
    other = torch.rand(2, 8, 5, 6)
    fused = fuse([x, other, x])
    assert (fused >= torch.minimum(x, other) - 1e-6).all()
    assert (fused <= torch.maximum(x, other) + 1e-6).all()


def test_spatial_attention_weighs_pixels_and_channel_attention_weighs_channels() -> None:
    x = torch.rand(2, 8, 9, 7) + 0.5
    by_pixel = shake(SpatialAttention(), amount=1.0)(x) / x
    torch.testing.assert_close(by_pixel, by_pixel[:, :1].expand_as(x))
    assert by_pixel.std() > 1e-3
    x = torch.rand(2, 32, 9, 7) + 0.5
    by_channel = shake(ChannelAttention(32), amount=1.0)(x) / x
    torch.testing.assert_close(by_channel, by_channel[:, :, :1, :1].expand_as(x))
    assert by_channel.std() > 1e-3
