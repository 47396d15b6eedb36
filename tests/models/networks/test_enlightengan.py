"""What is particular to EnlightenGAN: its attention map, large images, and weights of an old PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from small_models import shake

from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.enlightengan.network import EnlightenGAN


def network(*, align_corners: bool = False, halve_wider_than: int = 2200) -> EnlightenGAN:
    torch.manual_seed(3)
    built = EnlightenGAN(width=4, align_corners=align_corners, halve_wider_than=halve_wider_than)
    shake(built, amount=0.1)
    return built.eval()


@torch.no_grad()
def test_nothing_is_added_to_white_and_something_to_black() -> None:
    enlighten = network()
    white, black = torch.ones(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    torch.testing.assert_close(enlighten(white), white, atol=1e-6, rtol=0)
    assert (enlighten(black) - black).abs().max() > 0.01


@torch.no_grad()
def test_the_house_scale_and_the_published_scale_agree() -> None:
    enlighten = network()
    degraded = torch.rand(2, 3, 32, 48)
    red, green, blue = (degraded[:, i : i + 1] for i in range(3))
    attention = 1 - (0.299 * red + 0.587 * green + 0.114 * blue)
    restored, added = enlighten.published(2 * degraded - 1, attention)
    torch.testing.assert_close(2 * enlighten(degraded) - 1, restored)
    torch.testing.assert_close(restored - added, 2 * degraded - 1)


@torch.no_grad()
def test_odd_sizes_are_reflected_on_all_sides_and_cropped() -> None:
    enlighten = network()
    images = torch.rand(1, 3, 27, 45)
    expected = enlighten(F.pad(images, (1, 2, 2, 3), mode="reflect"))[..., 2:29, 1:46]
    torch.testing.assert_close(enlighten(images), expected)
    torch.testing.assert_close(restore(Restorer(name="enlightengan", network=enlighten).eval(), images), expected)


@torch.no_grad()
def test_wide_images_are_halved_and_doubled() -> None:
    enlighten = network(halve_wider_than=40)
    images = torch.rand(1, 3, 64, 48)
    smaller = enlighten(F.avg_pool2d(images, 2))
    torch.testing.assert_close(enlighten(images), F.interpolate(smaller, scale_factor=2, mode="bilinear"))
    assert not torch.allclose(enlighten(images), network()(images), atol=1e-3)
    assert enlighten(torch.rand(1, 3, 33, 47)).shape == (1, 3, 33, 47)
    tall = torch.rand(1, 3, 64, 32)
    assert torch.equal(enlighten(tall), network()(tall))


@torch.no_grad()
def test_a_pixel_is_not_felt_beyond_the_declared_reach() -> None:
    enlighten = network().double()
    reach = NETWORKS["enlightengan"].reach
    assert reach is not None
    images = torch.rand(1, 3, 16, 640, dtype=torch.float64)
    changed = images.clone()
    # Wherever the pixel lies on the grid of the deepest level.
    seen = 0
    for column in range(320, 336):
        changed.copy_(images)
        changed[..., column] = 1 - changed[..., column]
        columns = (enlighten(changed) != enlighten(images)).any(dim=(0, 1, 2)).nonzero().flatten()
        seen = max(seen, int(columns.max()) - column, column - int(columns.min()))
    assert seen <= reach
    # The bound is tight: what it costs in overlap is needed.
    assert seen > reach - 16


def test_files_of_an_old_pytorch_get_the_counters_they_lack() -> None:
    state = network().state_dict()
    released = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(released) < len(state)
    complete = EnlightenGAN.published_state(released)
    assert list(complete) == list(state)
    build("enlightengan", EnlightenGAN.infer_arch(complete)).load_state_dict(complete, strict=True)
    for key, value in EnlightenGAN.published_state(state).items():
        assert torch.equal(value, state[key])


@torch.no_grad()
def test_how_maps_are_doubled_changes_the_result_but_not_the_keys() -> None:
    today, trained = network(), network(align_corners=True)
    assert list(today.state_dict()) == list(trained.state_dict())
    images = torch.rand(1, 3, 32, 32)
    assert 1e-5 < (today(images) - trained(images)).abs().max() < 0.5
