"""The files out of packages: pickles and TorchScript archives that can hold arrays and nothing else."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import inception_v3

from benchmark.downloads.fetch import save_arrays
from benchmark.downloads.layouts import alexnet, convolutions, inception, vgg16
from benchmark.downloads.pickles import read_arrays, read_script
from benchmark.metrics.inception import InceptionFeatures, build_network
from models.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")


class Bomb:
    """Pickles as a call of `os.system`."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.canary}",)


class Layer(torch.nn.Module):
    """A layer under the names of the TensorFlow original."""

    def __init__(self, shape: torch.Size, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(shape, generator=generator) * 0.03)
        self.register_buffer("beta", torch.randn(shape[0], generator=generator) * 0.1)
        self.register_buffer("mean", torch.randn(shape[0], generator=generator) * 0.1)
        self.register_buffer("var", torch.rand(shape[0], generator=generator) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Empty(torch.nn.Module):
    """Holds others."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_arrays_of_a_pickle_come_back_and_code_in_it_is_refused(tmp_path: Path) -> None:
    arrays = {"a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3)}, "c": np.zeros(2, np.float32)}
    for protocol in (3, 4):
        (tmp_path / "good").write_bytes(pickle.dumps(arrays, protocol=protocol))
        found = read_arrays(tmp_path / "good")
        assert np.array_equal(found["a"]["b"], arrays["a"]["b"])  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue]
    (tmp_path / "bad").write_bytes(pickle.dumps({"a": arrays, "b": Bomb(tmp_path / "ran")}))
    with pytest.raises(UserError, match=r"bad is not a pickle of plain arrays \(it asks for (posix|nt).system\)"):
        read_arrays(tmp_path / "bad")
    assert not (tmp_path / "ran").exists()
    for content in (b"", b"garbage", pickle.dumps([1, 2])):
        (tmp_path / "broken").write_bytes(content)
        with pytest.raises(UserError, match="broken"):
            read_arrays(tmp_path / "broken")


@pytest.mark.parametrize("convert", [alexnet, vgg16])
def test_weights_of_another_network_are_refused(convert, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(pickle.dumps({"AlexNet_0": {"Conv_0": {"kernel": np.zeros(3)}}}))
    with pytest.raises(UserError, match="does not hold the convolution"):
        convert(tmp_path / "other")


def test_a_torchscript_archive_is_read_without_its_code(tmp_path: Path) -> None:
    outer = Empty()
    outer.first = Layer(torch.Size((4, 3, 3, 3)), 0)
    outer.second = Layer(torch.Size((2, 4, 1, 1)), 1)
    torch.jit.save(torch.jit.script(outer), str(tmp_path / "net.pt"))
    found = read_script(tmp_path / "net.pt")
    assert set(found) == set(outer.state_dict())
    assert all(np.array_equal(found[key], value.numpy()) for key, value in outer.state_dict().items())
    with zipfile.ZipFile(tmp_path / "net.pt") as whole, zipfile.ZipFile(tmp_path / "bare.pt", "w") as bare:
        for name in whole.namelist():
            if "/code/" not in name:
                bare.writestr(name, whole.read(name))
    assert set(read_script(tmp_path / "bare.pt")) == set(found)


def test_a_torchscript_archive_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps(Bomb(tmp_path / "ran"), protocol=2))
    with pytest.raises(UserError, match=r"bad.pt is not a TorchScript archive .*system"):
        read_script(tmp_path / "bad.pt")
    assert not (tmp_path / "ran").exists()
    (tmp_path / "broken.pt").write_bytes(b"PK not really")
    with pytest.raises(UserError, match=r"broken\.pt is not a TorchScript archive"):
        read_script(tmp_path / "broken.pt")


@pytest.mark.long
def test_the_inception_of_the_package_gets_every_name_and_shape_of_pytorch_fid(tmp_path: Path) -> None:
    # FID's pooling branches are as wide as torchvision's, so names and shapes agree
    whole = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    shapes = {name: value.shape for name, value in whole.state_dict().items()}
    net = Empty()
    for seed, (ours, place) in enumerate(convolutions()):
        module: torch.nn.Module = net
        *path, last = f"net.layers.{place}".split(".")
        for part in path:
            if not hasattr(module, part):
                setattr(module, part, Empty())
            module = getattr(module, part)
        setattr(module, last, Layer(shapes[f"{ours}.conv.weight"], seed))
    torch.jit.save(torch.jit.script(net), str(tmp_path / "net.pt"))
    arrays = inception(tmp_path / "net.pt")
    wanted = {k for k in shapes if not k.startswith(("fc.", "AuxLogits.")) and not k.endswith("num_batches_tracked")}
    assert set(arrays) == wanted
    assert all(arrays[key].shape == tuple(shapes[key]) for key in wanted)
    save_arrays(tmp_path / "inception.safetensors", arrays)
    build_network(tmp_path / "inception.safetensors")
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    features = InceptionFeatures(tmp_path / "inception.safetensors")(photo)
    assert np.isfinite(features).all()
    assert features.std() > 0
