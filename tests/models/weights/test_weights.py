"""Weights files: safe to read, exact to write, and clear about what is wrong."""

from __future__ import annotations

import argparse
import os
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import ARCHS, CLIP, shake

from models.daclip.build import build_daclip, load_daclip
from models.daclip.controller import DaClip
from models.errors import UserError
from models.files import sha256_file
from models.inference.loading import load_restorer
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.weights.fitting import load_into
from models.weights.metadata import read_metadata
from models.weights.opened import load_state
from models.weights.reading import read_checkpoint
from models.weights.run import save_run_weights
from models.weights.saving import save_weights

Make = Callable[..., Restorer]
RECIPE = {"lr": 1e-3, "note": "ünïcode", "blocks": [1, 2]}


def save_daclip(path: Path, daclip: DaClip) -> Path:
    save_run_weights(
        path, task="daclip", network="daclip", state=daclip, arch=daclip.arch, recipe={}, dataset={}, step=1
    )
    return path


def save_restorer(path: Path, restorer: Restorer, *, daclip: Path | None) -> Path:
    name = restorer.card.name
    save_run_weights(
        path,
        task="restoration",
        network=name,
        state=restorer.network,
        arch=ARCHS[name],
        recipe=RECIPE,
        dataset={"digest": "abc"},
        step=5,
        daclip=daclip,
        sde=restorer.sde.settings() if restorer.card.sampler else None,
    )
    return path


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in NETWORKS if ARCHS[name]])
def test_a_saved_restorer_loads_to_the_same_one(name: str, make: Make, tmp_path: Path) -> None:
    restorer = make(name)
    daclip = save_daclip(tmp_path / "daclip/weights.safetensors", restorer.daclip) if restorer.daclip else None
    run = tmp_path / name
    save_restorer(run / "weights.safetensors", restorer, daclip=daclip)
    image = torch.rand(1, 3, 21, 34)
    loaded = load_restorer(name, run, sampling=restorer.sampling if restorer.card.sampler else None)
    assert torch.equal(restore(loaded, image), restore(restorer, image))
    assert not loaded.training
    metadata = read_metadata(run / "weights.safetensors")
    assert metadata["recipe"] == RECIPE
    assert (metadata["task"], metadata["network"], metadata["step"]) == ("restoration", name, 5)


def test_the_same_weights_are_written_as_the_same_bytes(make: Make, tmp_path: Path) -> None:
    restorer = make("nafnet")
    first = save_restorer(tmp_path / "a.safetensors", restorer, daclip=None)
    restorer.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    second = save_restorer(tmp_path / "b.safetensors", restorer, daclip=None)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_tensor_with_two_names_is_stored_once(daclip: DaClip, tmp_path: Path) -> None:
    path = save_daclip(tmp_path / "daclip.safetensors", daclip)
    stored = load_state(path)
    assert not [key for key in stored if key.startswith("visual.")]
    assert sum(t.numel() for t in stored.values()) == sum(p.numel() for p in daclip.parameters())
    loaded = load_daclip(path)
    assert loaded.state_dict().keys() == daclip.state_dict().keys()
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), daclip.state_dict().values(), strict=True)
    )
    assert loaded.arch == daclip.arch


@pytest.mark.parametrize("nesting", [None, "params", "params_ema", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
@torch.no_grad()
def test_a_released_nafnet_loads_without_a_configuration(nesting: str | None, prefix: str, tmp_path: Path) -> None:
    network = shake(build("nafnet", ARCHS["nafnet"])).eval()
    state = {prefix + key: value for key, value in network.state_dict().items()}
    torch.save(state if nesting is None else {nesting: state, "iter": 3}, tmp_path / "net.pth")
    image = torch.rand(1, 3, 9, 16)
    assert torch.equal(load_restorer("nafnet", tmp_path / "net.pth")(image), network(image))


def test_numpy_scalars_of_training_checkpoints_are_read(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(2)}, "lr": np.float64(0.5)}, tmp_path / "x.pt")
    assert load_state(tmp_path / "x.pt")["a"].tolist() == [1, 1]


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickled_code_is_refused_and_not_run(legacy: bool, tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    path = tmp_path / "evil.pth"
    content = {"params": {"a": torch.ones(1)}, "x": Bomb(target)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match="pickled code and was not loaded"):
        load_state(path)
    assert not target.exists()


def test_pickled_objects_are_refused_but_for_the_options_of_training_programs(tmp_path: Path) -> None:
    torch.save({"params": {"a": torch.ones(1)}, "options": Fraction(1, 2)}, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"pickled code.*fractions\.Fraction"):
        load_state(tmp_path / "x.pth")
    torch.save({"params": {"a": torch.ones(1)}, "opts": argparse.Namespace(ratio=5, lr=[1])}, tmp_path / "y.pth")
    found = read_checkpoint(tmp_path / "y.pth")
    assert list(found.state) == ["a"]
    assert found.facts == {"opts.ratio": 5}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "text", "half"])
def test_a_damaged_file_is_named(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save({"a": torch.ones(1000)}, path)
    else:
        save_weights(path, {"a": torch.ones(1000)}, {})
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"<html>not found</html>", "half": whole[: len(whole) // 2]}[damage])
    with pytest.raises(UserError, match=r"net\.(pth|safetensors)"):
        load_state(path)


def test_files_that_are_not_weights_are_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"a": torch.ones(1), "epoch": 3}, tmp_path / "mixed.pth")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for name in ("list", "mixed", "zip", "absent"):
        with pytest.raises(UserError, match=f"{name}.pth"):
            load_state(tmp_path / f"{name}.pth")


def test_weights_that_do_not_fit_are_described() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    state = module.state_dict()
    state["0.weight"] = torch.zeros(5, 2)
    state["extra"] = state.pop("1.bias")
    with pytest.raises(UserError) as caught:
        load_into(module, state, "the weights x.pth")
    message = str(caught.value)
    assert "1 missing (1.bias)" in message
    assert "1 unexpected (extra)" in message
    assert "0.weight (5, 2) instead of (3, 2)" in message


def test_a_network_finds_its_daclip_or_says_which_one_it_needs(make: Make, tmp_path: Path) -> None:
    restorer = make("nafnet-daclip")
    assert restorer.daclip is not None
    daclip = save_daclip(tmp_path / "daclip/weights.safetensors", restorer.daclip)
    digest = sha256_file(daclip)
    run = save_restorer(tmp_path / "run/weights.safetensors", restorer, daclip=tmp_path / "daclip")
    assert read_metadata(run)["daclip"] == {"file": "../daclip/weights.safetensors", "sha256": digest}
    load_restorer("nafnet-daclip", run)

    (tmp_path / "daclip").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"is not there.*{digest}.*--daclip"):
        load_restorer("nafnet-daclip", run)
    load_restorer("nafnet-daclip", run, daclip=tmp_path / "elsewhere")

    (tmp_path / "daclip").mkdir()
    save_daclip(daclip, build_daclip(clip=CLIP, pretrained=None))
    with pytest.raises(UserError, match=rf"has changed since.*{digest}"):
        load_restorer("nafnet-daclip", run)


def test_things_that_do_not_belong_together_are_refused(make: Make, daclip: DaClip, tmp_path: Path) -> None:
    nafnet = save_restorer(tmp_path / "nafnet.safetensors", make("nafnet"), daclip=None)
    dac = save_daclip(tmp_path / "daclip.safetensors", daclip)
    lonely = save_restorer(tmp_path / "lonely.safetensors", make("nafnet-daclip"), daclip=None)
    wide = save_daclip(tmp_path / "wide.safetensors", build_daclip(clip={**CLIP, "embed_dim": 96}, pretrained=None))
    torch.save(make("nafnet-daclip").network.state_dict(), tmp_path / "plain.pth")
    (tmp_path / "empty").mkdir()
    for load, message in (
        (lambda: load_restorer("nafnet-daclip", nafnet), "holds the network 'nafnet', not 'nafnet-daclip'"),
        (lambda: load_restorer("nafnet", dac), "holds the network 'daclip', not 'nafnet'"),
        (lambda: load_daclip(nafnet), "not a DA-CLIP"),
        (lambda: load_restorer("nafnet", None), "needs weights"),
        (lambda: load_restorer("nafnet", tmp_path / "empty"), "holds no weights.safetensors"),
        (lambda: load_restorer("nafnet", tmp_path / "absent"), "weights not found"),
        (lambda: load_restorer("nafnet-daclip", lonely), "does not say which DA-CLIP"),
        (lambda: load_restorer("nafnet-daclip", lonely, daclip=wide), "embeddings of length 64.*gives 96"),
        (lambda: load_restorer("nafnet-daclip", tmp_path / "plain.pth"), "does not say its architecture"),
        (lambda: load_restorer("nafnt", nafnet), "did you mean 'nafnet'"),
        (lambda: Restorer(name="nafnet-daclip", network=torch.nn.Identity()), "needs a DA-CLIP"),
    ):
        with pytest.raises(UserError, match=message):
            load()


def test_the_input_needs_no_weights() -> None:
    image = torch.rand(2, 3, 5, 7)
    assert torch.equal(load_restorer("input", None)(image), image)


@pytest.mark.parametrize(("first", "found"), [("module.a", ["a", "b"]), ("a", ["a", "module.b"])])
def test_the_first_name_decides_whether_a_prefix_is_removed(first: str, found: list[str], tmp_path: Path) -> None:
    torch.save({first: torch.ones(1), "module.b": torch.ones(1)}, tmp_path / "x.pth")
    assert list(load_state(tmp_path / "x.pth")) == found
