"""What is particular to the networks for motion blur."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import ARCHS, shake

from models.images.pixels import to_float, to_uint8
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks.build import build
from models.networks.deblurgan.network import DeblurGan
from models.networks.nafnet.local import LocalPool


def test_the_pyramid_is_that_of_scikit_image() -> None:
    from skimage.transform import pyramid_gaussian

    network: Any = build("deepdeblur", ARCHS["deepdeblur"])
    for height, width in [(8, 12), (52, 40), (4, 100)]:
        image = np.random.default_rng(height).uniform(0, 255, (height, width, 3)).astype(np.float32)
        levels = network.pyramid(torch.from_numpy(image).permute(2, 0, 1)[None])
        expected: list[Any] = list(pyramid_gaussian(image, 2, channel_axis=-1))
        assert len(levels) == len(expected) == 3
        for level, wanted in zip(levels, expected, strict=True):
            np.testing.assert_allclose(level[0].permute(1, 2, 0).numpy(), wanted, atol=2e-3)


@pytest.mark.parametrize("size", [(16, 16), (40, 24), (23, 61)])
@pytest.mark.parametrize("side", [5, 6, 30])
def test_a_local_average_is_that_of_the_nearest_window(side: int, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    pooled = LocalPool(side)(x)
    if side >= max(size):
        torch.testing.assert_close(pooled, x.mean((2, 3), keepdim=True))
        return
    height, width = min(side, size[0]), min(side, size[1])

    def first(place: int, window: int, length: int) -> int:
        # The windows inside the image are centred in it; beyond the first and the last one they repeat.
        return min(max(place - (window - 1) // 2, 0), length - window)

    for row, column in [(0, 0), (size[0] // 2, size[1] // 3), (size[0] - 1, size[1] - 1), (1, size[1] - 2)]:
        top, left = first(row, height, size[0]), first(column, width, size[1])
        window = x[:, :, top : top + height, left : left + width]
        torch.testing.assert_close(pooled[:, :, row, column], window.mean((2, 3)), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_local_nafnet_is_nafnet_on_images_like_its_patches_and_another_on_larger_ones() -> None:
    arch = ARCHS["nafnet-local"]
    local = shake(build("nafnet-local", arch), amount=0.3)
    plain = build("nafnet", {key: value for key, value in arch.items() if key != "train_size"})
    plain.load_state_dict(local.state_dict())
    patch = torch.rand(1, 3, 16, 16)
    photo = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    torch.testing.assert_close(local(patch), plain(patch))
    assert (local(photo) - plain(photo)).abs().max() > 1e-2


def test_statistics_in_old_files_of_deblurgan_are_left_out() -> None:
    network = DeblurGan(width=4, blocks=2)
    old = dict(network.state_dict())
    for key in [k for k in old if k.endswith("weight")]:
        old[key.replace("weight", "running_mean")] = torch.zeros(3)
        old[key.replace("weight", "running_var")] = torch.ones(3)
    state = DeblurGan.published_state(old)
    assert list(state) == list(network.state_dict())
    assert DeblurGan.infer_arch(state) == {"width": 4, "blocks": 2}


def fill(network: torch.nn.Module, folder: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a network the weights of a golden folder."""
    import json

    monkeypatch.syspath_prepend(str(shared / "parity"))
    import fill as rule  # pyright: ignore[reportMissingImports]

    rule.fill_module(network)
    meta = json.loads((folder / "meta.json").read_text())
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(float(meta["fill_gain"]))


PIPES = {
    "deepdeblur": "deepdeblur",
    "deblurgan": "deblurgan",
    "deblurganv2_inception": "deblurganv2-inception",
    "deblurganv2_mobilenet": "deblurganv2-mobilenet",
}


@pytest.mark.parametrize("golden", PIPES)
def test_the_whole_way_from_8_bits_to_8_bits_is_the_published_one(
    golden: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared / "parity" / "golden" / golden
    arrays = np.load(folder / "golden.npz")
    network = build(PIPES[golden], {})
    fill(network, folder, shared, monkeypatch)
    restorer = Restorer(name=PIPES[golden], network=network).eval()
    image = torch.from_numpy(to_float(arrays["pipe_in"])).permute(2, 0, 1)
    restored = restore(restorer, image).permute(1, 2, 0).numpy()
    difference = np.abs(to_uint8(restored, rounding=restorer.card.rounding).astype(int) - arrays["pipe_out"])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
