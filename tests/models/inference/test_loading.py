"""Weights of others: which network they belong to, and what is said when they belong to another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_models import ARCHS, WITHOUT_WEIGHTS, shake

from models.errors import UserError
from models.inference.loading import load_restorer, network_of
from models.inference.restore import restore
from models.networks import NETWORKS
from models.networks.build import build
from models.releases.matching import matches
from models.weights.files import parts_in, weights_digest, weights_file, weights_size
from models.weights.nesting import NESTING
from models.weights.opened import load_state
from models.weights.reading import read_checkpoint

READABLE = [
    name
    for name, card in NETWORKS.items()
    if not card.sampler and name not in WITHOUT_WEIGHTS and card.conditioning == "none"
]
IN_PARTS = [name for name, card in NETWORKS.items() if card.parts]


def tiny(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return shake(build(name, ARCHS[name])).eval()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", READABLE)
def test_weights_in_our_names_load_without_being_told_the_architecture(name: str, suffix: str, tmp_path: Path) -> None:
    network = tiny(name)
    path = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save({"epoch": 3, "params": network.state_dict()}, path)
    else:
        save_file({key: value.clone() for key, value in network.state_dict().items()}, path)
    loaded = load_restorer(name, path).network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("outer", NESTING)
def test_the_keys_around_a_state_dict_are_taken_off(outer: str, tmp_path: Path) -> None:
    torch.save({"epoch": 3, outer: {"module.a": torch.ones(2)}, "optimizer": {"state": {}}}, tmp_path / "x.pth")
    found = read_checkpoint(tmp_path / "x.pth")
    assert (list(found.state), found.nesting, found.prefixed, found.facts) == (["a"], outer, True, {"epoch": 3})


def test_keys_of_a_card_come_before_the_usual_ones_and_may_be_nested(tmp_path: Path) -> None:
    torch.save({"G_ema": {"state_dict": {"a": torch.ones(1)}}, "params": {"b": torch.ones(1)}}, tmp_path / "x.pth")
    assert list(read_checkpoint(tmp_path / "x.pth").state) == ["b"]
    found = read_checkpoint(tmp_path / "x.pth", nesting=("G_ema",))
    assert (list(found.state), found.nesting) == (["a"], "G_ema.state_dict")


def test_several_networks_in_one_file_keep_their_names(tmp_path: Path) -> None:
    content = {"state_dict": {"model_R": {"w": torch.ones(1)}, "model_L": {"w": torch.zeros(1)}}}
    torch.save(content, tmp_path / "x.pth")
    assert list(read_checkpoint(tmp_path / "x.pth").state) == ["model_R.w", "model_L.w"]


@pytest.mark.parametrize("name", READABLE)
def test_weights_of_another_network_are_told_by_its_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    state = tiny(name).state_dict()
    torch.save(state, path)
    # Variants with the same names cannot be told apart by their weights.
    fitting = [one.network for one in matches(state) if one.agreement == 1]
    wrong = next(other for other in ("nafnet", "restormer") if other not in fitting)
    with pytest.raises(UserError) as caught:
        load_restorer(wrong, path)
    message = str(caught.value)
    assert message.rpartition("use --network ")[2] == fitting[0]
    assert name in fitting
    assert "\n" not in message


def test_a_mismatch_lists_both_sides_and_shapes(tmp_path: Path) -> None:
    state = tiny("nafnet").state_dict()
    state["intro.extra"] = state.pop("intro.bias")
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(UserError, match=r"1 missing \(intro\.bias\); 1 unexpected \(intro\.extra\)"):
        load_restorer("nafnet", tmp_path / "net.pth")


@pytest.mark.parametrize("name", READABLE)
def test_the_network_is_found_by_the_weights_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    state = tiny(name).state_dict()
    torch.save(state, path)
    exact = [one.network for one in matches(state) if one.agreement == 1]
    if len([one for one in exact if not NETWORKS[one].same_weights_as]) == 1:
        assert network_of(path) == (NETWORKS[name].same_weights_as or name)
    else:
        with pytest.raises(UserError, match=f"fits several networks.*{name}.*choose one"):
            network_of(path)


def test_weights_of_nothing_known_ask_for_the_network(tmp_path: Path) -> None:
    torch.save({"strange.weight": torch.ones(3)}, tmp_path / "net.pth")
    with pytest.raises(UserError, match="does not tell its network: name it by --network"):
        network_of(tmp_path / "net.pth")


def test_a_release_in_parts_is_read_from_its_folder_and_missing_parts_are_named(
    tmp_path: Path,
) -> None:
    assert IN_PARTS
    for name in IN_PARTS:
        folder, parts = tmp_path / name, NETWORKS[name].parts
        folder.mkdir()
        for number, part in enumerate(parts):
            torch.save({"state_dict": {"net": {"w": torch.full((2,), number)}}}, folder / part)
        assert parts_in(folder) == parts
        state = load_state(weights_file(folder))
        assert [float(value[0]) for value in state.values()] == list(range(len(parts)))
        assert {key.partition(".")[0] for key in state} == {Path(part).stem for part in parts}
        assert weights_size(folder) == sum((folder / part).stat().st_size for part in parts)
        before = weights_digest(folder)
        (folder / "notes.txt").write_text("of no matter")
        assert weights_digest(folder) == before
        (folder / parts[-1]).unlink()
        with pytest.raises(UserError, match=f"lacks {parts[-1]}"):
            load_restorer(name, folder)


def test_a_file_released_with_another_network_is_refused_by_its_digest(shared: Path) -> None:
    real = shared / "reference/weights/prenet/real_PReNet2.pth"
    with pytest.raises(UserError, match=r"released with 'prenet-generator'.*use --network prenet-generator"):
        load_restorer("prenet", real)
    assert network_of(real) == "prenet-generator"
    image = torch.rand(3, 30, 40)
    assert restore(load_restorer("prenet-generator", real), image).shape == image.shape
