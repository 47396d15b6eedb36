"""What is particular to the networks for rain; the laws of all networks are in test_networks.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import ARCHS, shake

from models.errors import UserError
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.jorder.extended import JORDERE
from models.networks.jorder.network import JORDER, luminance
from models.networks.prenet.network import PReNet
from models.networks.prenet.variants import PReNetGenerator, PReNetLstm, PReNetPrevious
from models.weights.fitting import load_into
from models.weights.opened import load_state
from models.weights.saving import save_weights

NAMES = [name for name in ARCHS if name.startswith(("jorder", "prenet", "prn"))]
STAGED = [name for name in NAMES if name != "jorder"]


def small(name: str, **arch: object) -> Any:
    torch.manual_seed(1)
    return shake(build(name, ARCHS[name] | arch)).eval()


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    network = small(name).train().double()
    images = torch.rand(2, 3, 24, 30, dtype=torch.float64)
    (network(images) - torch.rand_like(images)).pow(2).mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert float(parameter.grad.abs().max()) > 1e-12, key


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (17, 30), (31, 8)])
def test_any_size_works_and_a_batch_gives_what_its_images_give_alone(name: str, size: tuple[int, int]) -> None:
    network = small(name)
    images = torch.rand(3, 3, *size)
    together = network(images)
    assert together.shape == images.shape
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=2e-5 * max(1.0, float(alone.abs().max())), rtol=1e-5)
    assert torch.equal(together, network(images))


@pytest.mark.parametrize("name", NAMES)
def test_an_output_pixel_sees_as_far_as_the_card_says_and_no_further(name: str) -> None:
    reach = NETWORKS[name].reach
    assert reach is not None
    torch.manual_seed(0)
    network = build(name, {"width": 8}).double()
    middle = reach + 2
    strip = torch.rand(1, 3, 5, 2 * middle + 1, dtype=torch.float64, requires_grad=True)
    network(strip)[..., 2, middle].sum().backward()
    assert strip.grad is not None
    touched = strip.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    assert (middle - int(touched[0]), int(touched[-1]) - middle) == (reach, reach)


@torch.no_grad()
@pytest.mark.parametrize("name", STAGED)
def test_the_last_prediction_is_the_output_and_the_others_are_those_of_fewer_stages(name: str) -> None:
    network = small(name)
    images = torch.rand(2, 3, 12, 20)
    predictions = network.predictions(images)
    assert torch.equal(predictions[-1], network(images))
    assert all(part.shape == images.shape for part in predictions)
    if name == "jorder-e":
        assert len(predictions) == 2
        assert not torch.allclose(predictions[0], predictions[1], atol=1e-4)
        return
    assert len(predictions) == network.stages
    for count in range(1, network.stages):
        fewer: Any = build(name, ARCHS[name] | {"stages": count})
        fewer.load_state_dict(network.state_dict())
        torch.testing.assert_close(fewer(images), predictions[count - 1])


@pytest.mark.parametrize("name", NAMES)
def test_width_and_blocks_are_read_off_a_file(name: str, tmp_path: Path) -> None:
    network = small(name, width=12, blocks=3)
    save_weights(tmp_path / "weights.safetensors", network.state_dict(), {})
    state = load_state(tmp_path / "weights.safetensors")
    shared = name in ("prenet-r", "prn-r")
    found = network.infer_arch(state)
    assert found == ({"width": 12} if shared else {"width": 12, "blocks": 3})
    left = ("stages", "blocks") if shared else ("stages",)
    again: Any = build(name, {**{key: getattr(network, key) for key in left if hasattr(network, key)}, **found})
    load_into(again.eval(), state, "the weights")
    images = torch.rand(1, 3, 9, 14)
    assert torch.equal(again(images), network(images))


LOOK_ALIKES = {"prenet", "prenet-lstm", "prenet-generator"}


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_a_relative_are_refused_wherever_they_can_be_told_apart(name: str) -> None:
    network: Any = small(name)
    for other in ARCHS:
        state = small(other).state_dict()
        if other == name or {name, other} <= LOOK_ALIKES:
            load_into(network, state, "the weights")
        else:
            with pytest.raises(UserError, match="these are not the weights of a"):
                network.infer_arch(state)


@torch.no_grad()
def test_the_networks_that_share_names_and_shapes_give_different_pictures() -> None:
    images = torch.rand(1, 3, 16, 16)
    sizes = {"width": 8, "stages": 4, "blocks": 2}
    outputs = []
    state = small("prenet", **sizes).state_dict()
    for name in sorted(LOOK_ALIKES):
        network: Any = build(name, sizes)
        network.load_state_dict(state)
        outputs.append(network(images))
    for i, first in enumerate(outputs):
        for second in outputs[i + 1 :]:
            assert (first - second).abs().max() > 1e-2


@torch.no_grad()
def test_a_variant_is_the_general_network_with_its_own_arguments() -> None:
    images = torch.rand(1, 3, 16, 16)
    pairs: list[tuple[PReNet, PReNet]] = [
        (PReNetGenerator(width=8), PReNet(width=8, stages=4, recurrence_last=True, adds_input=False)),
        (PReNetPrevious(width=8), PReNet(width=8, sees_input=False, adds_input=False)),
        (PReNetLstm(width=8), PReNet(width=8, adds_input=False)),
    ]
    for variant, general in pairs:
        general.load_state_dict(variant.state_dict())
        assert torch.equal(general(images), variant(images))


def test_luminance_is_that_of_matlab_and_keeps_its_range() -> None:
    colours = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    found = 255 * luminance(colours.T.reshape(1, 3, 1, 5))
    np.testing.assert_allclose(found.flatten(), [16, 235, 81.481, 144.553, 40.966], atol=1e-4)


@torch.no_grad()
def test_jorder_changes_the_luminance_alone_and_sees_rows_as_columns() -> None:
    network: Any = small("jorder")
    images = torch.rand(2, 3, 13, 21)
    change = network(images) - images
    torch.testing.assert_close(change[:, 0], change[:, 1])
    torch.testing.assert_close(change[:, 0], change[:, 2])
    # The border is repeated as far as six convolutions see.
    rows, columns = np.arange(-6, 19).clip(0, 12), np.arange(-6, 27).clip(0, 20)
    luma = luminance(images[:, :, rows][..., columns]).transpose(2, 3)
    after = network.published(luma).transpose(2, 3)[..., 6:-6, 6:-6]
    torch.testing.assert_close(luminance(images + change), after, atol=2e-4, rtol=1e-3)
    assert (network(images.transpose(2, 3)).transpose(2, 3) - images - change).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("cls", "arch", "message"),
    [
        (PReNet, {"recurrence": "rnn"}, "unknown recurrence 'rnn'"),
        (PReNet, {"stages": 0}, "at least 1"),
        (JORDER, {"blocks": 0}, "at least 1"),
        (JORDERE, {"width": 0}, "at least 1"),
    ],
)
def test_a_size_that_makes_no_network_is_refused(cls: type, arch: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cls(**arch)
