"""What is particular to AirNet: the encoder that learns by contrast, its queue, and what deformation means."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import ARCHS, shake

from models.errors import UserError
from models.networks.airnet.blocks import GuidedDeformation
from models.networks.airnet.network import AirNet
from models.networks.build import build


def network(*, shaken: bool = True, **arguments: object) -> Any:
    torch.manual_seed(2)
    built = build("airnet", {**ARCHS["airnet"], **arguments})
    return shake(built) if shaken else built


def crops(batch: int) -> torch.Tensor:
    return torch.rand(batch, 3, 24, 24)


def test_the_architecture_of_an_airnet_is_read_off_its_keys() -> None:
    arch: dict[str, Any] = {"width": 4, "groups": 2, "blocks": 3, "queue_batch": 7}
    assert AirNet.infer_arch(AirNet(**arch).state_dict()) == arch
    with pytest.raises(UserError, match="not the weights of an AirNet"):
        AirNet.infer_arch({"R.head.0.weight": torch.zeros(1)})
    with pytest.raises(UserError, match="at least one of everything"):
        AirNet(queue_batch=0)


def test_restoring_needs_neither_the_queue_nor_the_rest_of_the_encoder() -> None:
    airnet = network().eval()
    images = crops(2)
    before = airnet(images)
    with torch.no_grad():
        for name, value in airnet.state_dict().items():
            if any(re.match(pattern, name) for pattern in (*AirNet.without_gradient, r"E\.E\.queue")):
                value.add_(1)
    assert torch.equal(airnet(images), before)


def test_contrast_restores_the_query_and_reaches_all_but_the_second_encoder() -> None:
    airnet = network().train()
    restored, logits, labels = airnet.contrast(crops(2), crops(2))
    assert restored.shape == (2, 3, 24, 24)
    assert logits.shape == (2, 1 + airnet.E.E.queue.shape[1])
    assert labels.tolist() == [0, 0]
    (restored.abs().mean() + F.cross_entropy(logits, labels)).backward()
    silent = {name for name, p in airnet.named_parameters() if p.grad is None or not p.grad.abs().max() > 0}
    assert silent == {name for name, _ in airnet.named_parameters() if name.startswith("E.E.encoder_k.")}


@torch.no_grad()
def test_contrast_gives_in_evaluation_what_restoring_gives() -> None:
    airnet = network().eval()
    query = crops(2)
    torch.testing.assert_close(airnet.contrast(query, crops(2))[0], airnet(query))


@torch.no_grad()
def test_logits_are_cosines_over_the_temperature() -> None:
    airnet = network(temperature=0.5).eval()
    contrast = airnet.E.E
    queue = contrast.queue.clone()
    # Both encoders are the same now: equal crops agree fully.
    contrast.encoder_k.load_state_dict(contrast.encoder_q.state_dict())
    query = crops(3)
    logits = airnet.contrast(query, query)[1]
    torch.testing.assert_close(logits[:, 0], torch.full((3,), 2.0))
    vectors = contrast.encoder_q(query)[1]
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(queue.norm(dim=0), torch.ones(queue.shape[1]))
    torch.testing.assert_close(logits[:, 1:], vectors @ queue / 0.5)


@torch.no_grad()
def test_the_second_encoder_follows_by_its_momentum_and_starts_equal() -> None:
    airnet = network(shaken=False, momentum=0.9).train()
    first, second = airnet.E.E.encoder_q, airnet.E.E.encoder_k
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    shake(first)
    expected = [0.9 * slow + 0.1 * fast for slow, fast in zip(second.parameters(), first.parameters(), strict=True)]
    airnet.contrast(crops(2), crops(2))
    for slow, value in zip(second.parameters(), expected, strict=True):
        torch.testing.assert_close(slow, value)


@torch.no_grad()
def test_keys_replace_the_oldest_ones_and_go_round() -> None:
    airnet = network(shaken=False).eval()
    contrast = airnet.E.E
    size = contrast.queue.shape[1]
    contrast.queue_ptr.fill_(size - 2)
    before = contrast.queue.clone()
    key = crops(5)
    airnet.contrast(crops(5), key)
    written = contrast.encoder_k(key)[1].T
    places = [size - 2, size - 1, 0, 1, 2]
    torch.testing.assert_close(contrast.queue[:, places], written)
    others = [i for i in range(size) if i not in places]
    assert torch.equal(contrast.queue[:, others], before[:, others])
    assert contrast.queue_ptr.tolist() == [3]


@torch.no_grad()
def test_a_whole_number_of_offset_moves_the_taps_and_the_mask_weighs_them() -> None:
    deform: Any = shake(GuidedDeformation(4), amount=0.3)
    x, guide = torch.rand(1, 4, 12, 12), torch.rand(1, 4, 12, 12)
    deform.conv_offset_mask.weight.zero_()
    deform.conv_offset_mask.bias.zero_()
    plain = F.conv2d(x, deform.weight, padding=1)
    torch.testing.assert_close(deform(x, guide), 0.5 * plain)
    # Offsets are (dy, dx) tap by tap: every tap one row further down.
    deform.conv_offset_mask.bias[0:18:2] = 1
    deform.conv_offset_mask.bias[18:] = 20
    torch.testing.assert_close(deform(x, guide)[..., :-2, :], plain[..., 1:-1, :])
