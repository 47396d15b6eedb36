"""Perceptual losses compare what torchvision's classifiers see; their weights are a file that must be there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import vgg

from models.errors import UserError
from models.training.losses import weighted_losses
from models.training.losses.features import FEATURE_LOSSES, FILES, find_features

LAYOUTS = {"vgg16": "D", "vgg19": "E"}
LAST = {"vgg16": 26, "vgg19": 15}


def random_features(kind: str) -> nn.Sequential:
    """Return the layers of a classifier that losses look at, with weights that keep the signal's size."""
    torch.manual_seed(0)
    layers = vgg.make_layers(vgg.cfgs[LAYOUTS[kind]])[: LAST[kind]]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layers.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write random weights of both classifiers under the published names."""
    place = tmp_path_factory.mktemp("classifiers")
    for kind, file in FILES.items():
        state = {f"features.{name}": value for name, value in random_features(kind).state_dict().items()}
        torch.save(state, place / file)
    return place


def images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 3, 48, 48, generator=generator)
    return (clean + 0.1 * torch.randn(clean.shape, generator=generator)), clean


@torch.no_grad()
def outputs(kind: str, layers: tuple[int, ...], image: Tensor) -> list[Tensor]:
    """What comes out of single layers, by running torchvision's modules up to each."""
    mean, spread = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    x = (image - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(spread).view(1, 3, 1, 1)
    network = random_features(kind)
    # Cloned, as the next ReLU works in place.
    return [network[: layer + 1](x).clone() for layer in layers]


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_a_perceptual_loss_compares_the_named_layers(name: str, folder: Path) -> None:
    restored, clean = images()
    loss = FEATURE_LOSSES[name]
    total, _ = weighted_losses({name: 1.0}, perceptual_weights=str(folder))(restored, clean)
    squares = []
    for x, y in zip(*(outputs(loss.network, loss.layers, i) for i in (restored, clean)), strict=True):
        if loss.normalised:
            x, y = (
                (m - m.mean((2, 3), True)) / (m.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt() for m in (x, y)
            )
        squares.append(float((x - y).square().mean()))
    assert total.item() == pytest.approx(sum(squares) / len(squares), rel=1e-4)
    assert total > 0


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_a_perceptual_loss_is_zero_for_equal_images_and_leads_to_the_clean_one(name: str, folder: Path) -> None:
    restored, clean = images()
    loss = weighted_losses({name: 1.0}, perceptual_weights=str(folder / FILES[FEATURE_LOSSES[name].network]))
    assert loss(clean, clean)[0].item() == 0.0
    x = restored.clone().requires_grad_()
    before = loss(x, clean)[0]
    (slope,) = torch.autograd.grad(before, x)
    assert torch.isfinite(slope).all()
    assert (slope != 0).float().mean() > 0.9
    assert loss(restored - 1e-2 * slope / slope.norm(), clean)[0] < before


def test_an_absent_classifier_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "a"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "b"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        weighted_losses({"perceptual-vgg19": 1.0})
    assert "vgg19-dcbb9e9d.pth" in str(error.value)
    assert "perceptual_weights=FILE" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"is not at .*here\.pth"):
        weighted_losses({"perceptual-vgg19": 1.0}, perceptual_weights=str(tmp_path / "here.pth"))
    (tmp_path / "b" / "hub" / "checkpoints").mkdir(parents=True)
    file = tmp_path / "b" / "hub" / "checkpoints" / FILES["vgg16"]
    file.write_bytes(b"")
    assert find_features(FILES["vgg16"], None, wanted_for="x") == file


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 5, 5)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"does not hold the weights of torchvision's vgg19: features.0.weight"):
        weighted_losses({"perceptual-vgg19": 1.0}, perceptual_weights=str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize("kind", [torch.float64, torch.int32, torch.complex64])
def test_weights_of_other_numbers_are_brought_to_float32_or_refused(kind: torch.dtype, tmp_path: Path) -> None:
    file = tmp_path / FILES["vgg16"]
    torch.save({f"features.{name}": v.to(kind) for name, v in random_features("vgg16").state_dict().items()}, file)
    if kind == torch.float64:
        distance = weighted_losses({"perceptual-vgg16": 1.0}, perceptual_weights=str(file))
        assert distance(*images())[0].dtype == torch.float32
    else:
        with pytest.raises(UserError, match="does not hold the weights of torchvision's vgg16"):
            weighted_losses({"perceptual-vgg16": 1.0}, perceptual_weights=str(file))(*images())
