"""Networks from outside the catalogue: `package.module:factory`, and what spandrel knows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from own_networks import Halving

from models.errors import UserError
from models.inference.loading import load_restorer
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks.build import build
from models.networks.find import find_network


def test_a_module_of_ones_own_restores_by_what_it_declares() -> None:
    restorer = load_restorer("own_networks:make", None)
    card = restorer.card
    assert (card.multiple_of, card.minimum_size, card.padding, card.rounding) == (2, 16, "edge", "truncate")
    assert (card.half, card.tasks, card.title, card.tiles) == (("bf16",), ("hazy",), "Halving", "close")
    image = torch.rand(3, 33, 7)
    torch.testing.assert_close(restore(restorer, image), image)
    torch.testing.assert_close(restore(restorer, image, precision="bf16"), image, atol=0.01, rtol=0)
    assert restore(restorer, torch.rand(3, 90, 70), tile=48).shape == (3, 90, 70)


def test_a_class_serves_as_factory_and_a_restorer_can_be_made_by_hand() -> None:
    assert isinstance(build("own_networks:Halving", {}), Halving)
    image = torch.rand(1, 3, 20, 31)
    torch.testing.assert_close(restore(Restorer(name="own_networks:Halving", network=Halving()), image), image)


def test_its_weights_are_loaded_strictly(tmp_path: Path) -> None:
    network = Halving()
    torch.nn.init.zeros_(network.conv.weight)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "own.pth")
    restored = restore(load_restorer("own_networks:make", tmp_path / "own.pth"), torch.rand(3, 20, 20))
    assert float(restored.abs().max()) == 0
    torch.save({"conv.weight": torch.zeros(12, 12, 1, 1)}, tmp_path / "half.pth")
    with pytest.raises(UserError, match=r"do not fit Halving: 1 missing \(conv.bias\)"):
        load_restorer("own_networks:make", tmp_path / "half.pth")


def test_a_module_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_alone.py").write_text("import torch\nmake = torch.nn.Identity\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert find_network("mine_alone:make").title == "make"
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:make", "no module 'no_such_module'.*package.module:factory"),
        ("own_networks:mke", "has no 'mke' - did you mean 'make'"),
        ("own_networks:NUMBER", "is int, expected a function or class"),
        ("own_networks:number", "returned int, expected a torch.nn.Module"),
        ("own_networks:broken", r"could not be made \(RuntimeError: no disk\)$"),
        ("own_networks:needs", "could not be made"),
        ("own_networks:Odd", "padding is 'mirror', expected one of reflect"),
        (":make", "not of the form package.module:factory"),
        ("nafnett", "did you mean 'nafnet'"),
        ("spandrel", "known by its weights only"),
    ],
)
def test_what_is_wrong_with_a_network_is_told_in_one_sentence(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_restorer(name, None)
    assert "\n" not in str(caught.value)


def test_a_module_that_cannot_be_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_written.py").write_text("def make(:\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="importing half_written failed with SyntaxError"):
        find_network("half_written:make")


def test_a_network_that_fails_or_answers_in_another_size_is_told() -> None:
    with pytest.raises(UserError, match=r"failed on 21x20 pixels.*multiple_of and minimum_size"):
        restore(load_restorer("own_networks:Demanding", None), torch.rand(3, 20, 21))
    with pytest.raises(UserError, match=r"returned \(1, 3, 16, 16\) for images with shape \(1, 3, 8, 8\)"):
        restore(load_restorer("own_networks:growing", None), torch.rand(3, 8, 8))


@pytest.mark.parametrize("name", ["nafnet", "drunet"])
def test_spandrel_builds_what_it_knows_from_the_weights_alone(name: str, tmp_path: Path) -> None:
    pytest.importorskip("spandrel")
    from spandrel.architectures.DRUNet import DRUNet
    from spandrel.architectures.NAFNet import NAFNet

    torch.manual_seed(0)
    network = (
        NAFNet(img_channel=3, width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])
        if name == "nafnet"
        else DRUNet(in_nc=4, out_nc=3, nc=[8, 8, 8, 8], nb=4)
    ).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    torch.save({"params": network.state_dict()}, tmp_path / "net.pth")
    restorer = load_restorer("spandrel", tmp_path / "net.pth")
    assert name in restorer.card.title.lower()
    image = torch.rand(2, 3, 32, 48)
    restored = restore(restorer, image)
    if name == "nafnet":
        with torch.no_grad():
            torch.testing.assert_close(restored, network(image).clamp(0, 1), atol=1e-5, rtol=0)
    assert 0 <= restored.min() < restored.max() <= 1
    assert "bf16" in restorer.card.half
    assert restore(restorer, torch.rand(3, 13, 21)).shape == (3, 13, 21)


def test_spandrel_networks_that_enlarge_or_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("spandrel")
    from spandrel.architectures.Compact import Compact

    enlarging = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    torch.save(enlarging.state_dict(), tmp_path / "two.pth")
    with pytest.raises(UserError, match="enlarges 2 times"):
        load_restorer("spandrel", tmp_path / "two.pth")
    torch.save({"strange": torch.ones(2)}, tmp_path / "strange.pth")
    with pytest.raises(UserError, match="of no network that spandrel knows"):
        load_restorer("spandrel", tmp_path / "strange.pth")
