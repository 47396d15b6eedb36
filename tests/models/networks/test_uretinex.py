"""What is particular to URetinex-Net; the laws of all networks are in test_networks.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import ARCHS, shake

from models.errors import UserError
from models.networks import NETWORKS
from models.networks.build import build
from models.networks.uretinex.network import URetinexNet
from models.weights.fitting import load_into
from models.weights.opened import load_state
from models.weights.saving import save_weights


def small(**arch: object) -> Any:
    torch.manual_seed(1)
    return shake(build("uretinex", {**ARCHS["uretinex"], **arch})).eval()


@torch.no_grad()
def test_what_is_restored_is_the_reflectance_in_the_new_light() -> None:
    network = small()
    found = network.published(torch.rand(1, 3, 12, 14))
    assert torch.equal(found.restored, found.lit * found.reflectance)
    assert found.illumination.shape == found.lit.shape == (1, 1, 12, 14)
    assert float(found.illumination.min()) >= 0


@torch.no_grad()
def test_the_closed_form_minimises_what_it_stands_for() -> None:
    network = small(rounds=2, gamma=0.3, lamda=0.7, offset=0.1)
    image = torch.rand(1, 3, 10, 10)
    p, q = network.model_Decom_low(image)
    reflectance, illumination = network.model_R(p, q), network.model_L(q)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    network.model_R.register_forward_pre_hook(lambda module, given: seen.append(given))
    network.published(image)
    best_p, best_q = seen[1]

    def cost_of_p(p: torch.Tensor) -> torch.Tensor:
        return (image - p * q).square() + 0.4 * (p - reflectance).square()

    def cost_of_q(q: torch.Tensor) -> torch.Tensor:
        return (image - best_p * q).square().sum(1, keepdim=True) + 0.8 * (q - illumination).square()

    for step in (-1e-2, 1e-2):
        assert (cost_of_p(best_p + step) > cost_of_p(best_p)).all()
        assert (cost_of_q(best_q + step) > cost_of_q(best_q)).all()


@torch.no_grad()
def test_the_ratio_changes_the_light_alone() -> None:
    images = torch.rand(1, 3, 12, 12)
    five, eight = (small(ratio=ratio).published(images) for ratio in (5.0, 8.0))
    assert torch.equal(five.reflectance, eight.reflectance)
    assert torch.equal(five.illumination, eight.illumination)
    assert not torch.allclose(five.lit, eight.lit)


def test_architecture_and_weights_survive_a_file(tmp_path: Path) -> None:
    network = small(width=6)
    save_weights(tmp_path / "weights.safetensors", network.state_dict(), {})
    state = load_state(tmp_path / "weights.safetensors")
    assert URetinexNet.infer_arch(state) == {"width": 6}
    again = small(**URetinexNet.infer_arch(state))
    load_into(again, URetinexNet.published_state(state), "the weights")
    images = torch.rand(1, 3, 9, 9)
    assert torch.equal(again(images), network(images))


def test_the_files_of_a_release_become_our_tensors_and_what_serves_training_is_left() -> None:
    state = small().state_dict()
    released = {}
    for key, value in state.items():
        name = key.partition(".")[2]
        part = {"mode": "unfolding.", "adju": "L_adjust.model_A."}[key[:4]]
        if key.startswith("model_Decom_low."):
            part = "init_low.model_R."
        elif part == "unfolding.":
            part += key[: len("model_R.")]
        released[part + name] = value
    extra = {"L_adjust.model_R.conv1.weight": torch.zeros(1), "init_high.model_R.decom.0.weight": torch.zeros(1)}
    found = URetinexNet.published_state(extra | released)
    assert list(found) == list(state)
    assert all(found[key] is value for key, value in zip(found, released.values(), strict=True))


def test_a_part_alone_is_refused_with_what_to_give() -> None:
    part = {"init_low.model_R.decom.0.weight": torch.zeros(32, 3, 3, 3)}
    with pytest.raises(UserError, match=r"give the folder with init_low\.pth, unfolding\.pth and L_adjust\.pth"):
        URetinexNet.infer_arch(URetinexNet.published_state(part))
    assert NETWORKS["uretinex"].parts == ("init_low.pth", "unfolding.pth", "L_adjust.pth")


@pytest.mark.parametrize(
    ("arch", "message"), [({"rounds": 0}, "rounds of at least 1"), ({"ratio": 0.0}, "ratio above 0")]
)
def test_a_wrong_architecture_is_refused_in_one_sentence(arch: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build("uretinex", arch)
