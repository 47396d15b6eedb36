"""The reference that training is timed against: the same batches, the same values and gradients, another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.speed import MEASUREMENTS
from benchmark.speed.authors.training import decoded_batch, published_training
from benchmark.speed.train import _network, train_speed
from benchmark.training.batches.patches import Patch, cut
from models.images.pixels import encode_png

ARCHS: dict[str, dict[str, Any]] = {
    "nafnet": {"width": 8, "encoder_blocks": [1, 1], "middle_blocks": 1, "decoder_blocks": [1, 1]},
    "ir-sde": {"width": 16, "multipliers": [1, 2]},
}


@pytest.mark.parametrize("name", list(ARCHS))
def test_layers_as_published_give_the_same_loss_and_gradients_and_end_with_their_block(name: str) -> None:
    torch.manual_seed(0)
    loss_of, network = _network(name, ARCHS[name])
    for parameter in network.parameters():  # NAFNet's factors and last layer start at zero and would hide the rest
        torch.nn.init.normal_(parameter, std=0.1)
    degraded, clean = torch.rand(2, 2, 3, 32, 24, generator=torch.Generator().manual_seed(1))

    def run() -> tuple[Tensor, dict[str, Tensor]]:
        network.zero_grad()
        loss = loss_of(degraded, clean, 3)
        loss.backward()
        return loss.detach(), {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}

    ours, gradients = run()
    with published_training(network):
        reference, expected = run()
    again, _ = run()
    assert torch.equal(again, ours)
    torch.testing.assert_close(reference, ours, rtol=1e-5, atol=1e-7)
    assert gradients.keys() == expected.keys()
    for key, gradient in gradients.items():
        largest = float(expected[key].abs().max())
        torch.testing.assert_close(gradient, expected[key], rtol=1e-3, atol=1e-4 * largest + 1e-9)
    assert any(not torch.equal(gradients[key], expected[key]) for key in gradients)


def test_the_reference_keeps_maps_channel_by_channel() -> None:
    _, network = _network("nafnet", ARCHS["nafnet"])
    layouts: list[bool] = []
    network.encoders[0][0].norm1.register_forward_hook(lambda module, inputs, out: layouts.append(out.is_contiguous()))
    network(torch.rand(1, 3, 16, 16))
    with published_training(network):
        network(torch.rand(1, 3, 16, 16))
    assert layouts == [False, True]


def test_png_files_decode_to_the_patches_that_the_cache_gives(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (2, 40, 50, 3), generator=torch.Generator().manual_seed(0)).byte().numpy()
    files = (tmp_path / "degraded.png", tmp_path / "clean.png")
    for file, image in zip(files, pixels, strict=True):
        file.write_bytes(encode_png(image))
    patches = [Patch(3, 7, 24, horizontal=bool(n & 1), vertical=bool(n & 2), transpose=bool(n & 4)) for n in range(8)]
    for image, batch in zip(pixels, decoded_batch([files] * 8, patches), strict=True):
        for patch, found in zip(patches, batch, strict=True):
            assert torch.equal(found, torch.from_numpy(cut(image, patch).copy()).permute(2, 0, 1) / 255)


@pytest.mark.long
def test_training_is_measured_against_the_reference() -> None:
    assert "train" in MEASUREMENTS
    measured = train_speed(pairs=3, steps=1, archs=ARCHS)
    assert measured["loader"]["processor_ratio"] > 20
    for name in ARCHS:
        found = measured["networks"][name]
        assert found["largest_loss_difference"] < 0.02
        assert len(found["ours"]["losses"]) == len(found["reference"]["losses"]) == 2
        assert found["ours"]["memory_bytes"] >= 0
    assert len(measured["summary"]) == 3
