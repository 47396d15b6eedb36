"""LPIPS against the package that defined it, and the weight files of the metrics."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torchvision
from metric_images import pair, random_backbone
from one_protocol import Scorer

from benchmark.downloads.find import ALEXNET, INCEPTION, WEIGHT_FILES, MissingWeights, find_weight_file
from benchmark.metrics.lpips import Lpips
from benchmark.metrics.protocols import PROTOCOLS
from models.errors import UserError
from models.images.pixels import to_float


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_backbone(tmp_path_factory.mktemp("weights") / "alexnet.pth", "alex")


@pytest.fixture(autouse=True)
def no_weights_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scores must not depend on what the developer has downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("net", ["alex", "squeeze", pytest.param("vgg", marks=pytest.mark.slow)])
def test_lpips_equals_the_package_with_the_same_backbone(net: str, tmp_path: Path) -> None:
    path = random_backbone(tmp_path / "backbone.pth", net)
    state = torch.load(path, weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    for key, value in oracle.net.state_dict().items():
        value.copy_(state["features." + key.split(".", 1)[1]])
    restored, clean = map(to_float, pair())
    ours = Lpips(path, net=net)  # pyright: ignore[reportArgumentType]
    for order, step in (("rgb", 1), ("bgr", -1)):
        tensors = [torch.from_numpy(x[..., ::step].transpose(2, 0, 1).copy())[None] for x in (restored, clean)]
        with torch.no_grad():
            expected = oracle(*tensors, normalize=True).item()
        assert expected > 1e-4
        assert ours(restored, clean, order=order) == pytest.approx(expected, rel=1e-5)  # pyright: ignore[reportArgumentType]
    assert ours(restored, clean, order="rgb") != ours(restored, clean, order="bgr")


def test_lpips_sees_values_outside_the_range(alexnet: Path) -> None:
    metric = Lpips(alexnet)
    restored, clean = map(to_float, pair())
    wide = restored * 1.5 - 0.25
    assert metric(wide, clean) != metric(np.clip(wide, 0, 1), clean)


@pytest.mark.parametrize(
    ("net", "smallest"), [("alex", 31), ("squeeze", 17), pytest.param("vgg", 16, marks=pytest.mark.slow)]
)
def test_lpips_declares_the_smallest_side_it_can_take(net: str, smallest: int, tmp_path: Path) -> None:
    metric = Lpips(random_backbone(tmp_path / "backbone.pth", net), net=net)  # pyright: ignore[reportArgumentType]
    restored, clean = map(to_float, pair(size=(smallest, smallest + 9)))
    assert math.isfinite(metric(restored, clean))
    with pytest.raises(UserError, match=f"at least {smallest}x{smallest}"):
        metric(restored[1:], clean[1:])
    with pytest.raises(RuntimeError):
        metric.network(*(torch.zeros(1, 3, smallest - 1, smallest + 9) for _ in range(2)))


def test_building_a_network_leaves_the_random_state_alone(alexnet: Path) -> None:
    before = torch.get_rng_state()
    Lpips(alexnet)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("file", WEIGHT_FILES, ids=lambda file: file.name)
def test_missing_weights_name_the_file_its_address_and_every_folder(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "env"))
    with pytest.raises(MissingWeights) as caught:
        find_weight_file(file)
    message = str(caught.value)
    for part in (file.name, file.url, tmp_path / "env", tmp_path / "weights", tmp_path / "torch/hub/checkpoints"):
        assert str(part) in message


def test_a_damaged_weight_file_is_refused_but_an_explicit_path_is_taken(alexnet: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    copy = tmp_path / "weights" / ALEXNET.name
    copy.write_bytes(alexnet.read_bytes())
    with pytest.raises(UserError, match=r"damaged or another file.*7be5be79"):
        Scorer(PROTOCOLS["modern"])
    assert "lpips" in Scorer(PROTOCOLS["modern"], lpips_weights=copy).metrics


def test_the_address_of_the_inception_weights_is_the_one_in_pytorch_fid() -> None:
    from pytorch_fid.inception import FID_WEIGHTS_URL

    assert INCEPTION.url == FID_WEIGHTS_URL
    assert {file.url.rsplit("/", 1)[1] for file in WEIGHT_FILES} == {file.name for file in WEIGHT_FILES}


def test_backbone_addresses_are_those_in_torchvision() -> None:
    kinds = (
        torchvision.models.AlexNet_Weights,
        torchvision.models.VGG16_Weights,
        torchvision.models.SqueezeNet1_1_Weights,
    )
    assert [kind.IMAGENET1K_V1.url for kind in kinds] == [file.url for file in WEIGHT_FILES[:3]]


def test_broken_and_foreign_weight_files_are_told_in_a_sentence(tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken.pth", tmp_path / "foreign.pth"
    broken.write_bytes(b"not a checkpoint")
    torch.save({"features.0.weight": torch.zeros(3, 3)}, foreign)
    with pytest.raises(UserError, match="cannot be read as a weight file"):
        Lpips(broken)
    with pytest.raises(UserError, match="does not fit alexnet: 9 keys missing"):
        Lpips(foreign)
    with pytest.raises(UserError, match="weight file not found"):
        Lpips(tmp_path / "absent.pth")


def test_features_of_one_image_serve_several_comparisons(alexnet: Path) -> None:
    metric = Lpips(alexnet)
    restored, clean = map(to_float, pair())
    kept = metric.features(clean)
    assert metric.compare(metric.features(restored), kept) == metric(restored, clean)
    assert metric.compare(kept, kept) == 0.0


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_does_not_touch_a_bit(alexnet: Path, threads: int) -> None:
    metric = Lpips(alexnet)
    restored, clean = map(to_float, pair(size=(90, 140)))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = metric(restored, clean)
        torch.set_num_threads(threads)
        assert metric(restored, clean) == alone
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
