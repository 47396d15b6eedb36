"""No file names code: whatever stands in weights, in runs or in recipes, nothing from outside is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eval_data import eval_dataset, small_weights
from hostile_runs import made_daclip, made_run, metadata, photo, state_of
from train_data import NAFNET, make_dataset
from trials import Canary, Ended, Tally, bench, counts

from models.errors import UserError
from models.inference.loading import load_restorer, network_of
from models.weights.saving import save_weights

NAMES: tuple[Any, ...] = ("canary:load", "canary", "canary:", ":load", "spandrel", "os:system", "nafnet:canary")
ODD: tuple[Any, ...] = (["canary:load"], {"target": "canary:load"}, 7, None)
WAYS: list[dict[str, Any]] = [
    *({"network": name} for name in (*NAMES, *ODD)),
    *({"task": name} for name in (*NAMES[:2], *ODD)),
    *({"sampler": name} for name in (*NAMES[:2], *ODD[:2])),
    *({"tool": name} for name in (*NAMES[:2], *ODD[:2])),
    {"arch": "canary:load"},
    {"arch": ["canary:load"]},
    {"arch": {"width": "canary:load", "encoder_blocks": [1], "middle_blocks": 1, "decoder_blocks": [1]}},
    {"arch": {"width": 8, "encoder_blocks": ["canary:load"], "middle_blocks": 1, "decoder_blocks": [1]}},
    {"arch": {"canary": "load", "target": "canary:load"}},
    {"arch": {"clip": "canary:load"}},
    {"arch": {"clip": "hf-hub:canary/load"}},
    {"arch": {"width": 10**9, "encoder_blocks": [1], "middle_blocks": 1, "decoder_blocks": [1]}},
    {"arch": {"width": 8, "encoder_blocks": [10**8], "middle_blocks": 1, "decoder_blocks": [1]}},
    {"sde": "canary:load"},
    {"sde": {"schedule": "canary:load"}},
    {"sde": {"steps": 10**12}},
    {"sde": {"target": "canary:load"}},
    {"recipe": "canary:load"},
    {"recipe": {"name": "canary:load", "preset": "canary:load", "arch": {"clip": "canary:load"}}},
    {"recipe": {"name": "nafnet", "preset": "demo", "task": "canary:load", "losses": {"canary:load": 1.0}}},
    {"recipe": {"name": ["canary:load"]}},
    {"daclip": "canary:load"},
    {"daclip": {"file": "canary.py", "sha256": "canary:load"}},
    {"daclip": {"file": "canary:load", "sha256": "0" * 64}},
    {"daclip": {"file": ["canary:load"], "sha256": 0}},
    {"dataset": "canary:load"},
    {"source": "canary:load"},
    {"schema": "canary:load"},
    {"step": "canary:load"},
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return datasets to evaluate and to train on, and a DA-CLIP."""
    top = tmp_path_factory.mktemp("data")
    return {
        "test": eval_dataset(top / "test", rows=1),
        "train": make_dataset(top / "train"),
        "daclip": made_daclip(top / "daclip.safetensors"),
    }


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Canary:
    """Return a canary in the working folder, on the path of modules, and beside the weights."""
    found = Canary(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return found


def commands(top: Path, data: dict[str, Path], network: str) -> dict[str, Callable[[], Ended]]:
    """Return what opens the weights of `top/runs/run` or of the file beside it, by name."""
    file, runs, image = top / "w.safetensors", top / "runs", top / "in.png"
    new = iter(range(10**6))
    return {
        "restore": lambda: bench("restore", image, top / f"{next(new)}.png", "--weights", file),
        "restore as": lambda: bench(
            "restore", image, top / f"{next(new)}.png", "--network", network, "--weights", file
        ),
        "restore run": lambda: bench("restore", image, top / f"{next(new)}.png", "--weights", runs / "run"),
        "inspect": lambda: bench("weights", "inspect", file),
        "convert": lambda: bench("weights", "convert", file, top / f"{next(new)}.safetensors"),
        "export": lambda: bench("weights", "export", file, top / f"{next(new)}.pth"),
        "runs": lambda: bench("runs", runs),
        "eval runs": lambda: bench("eval", "--data", data["test"], "--runs", runs, "--out", top / f"l{next(new)}"),
        "eval weights": lambda: bench(
            *("eval", "--data", data["test"], "--network", network, "--weights", file),
            *("--out", top / f"l{next(new)}"),
        ),
        "robustness": lambda: bench(
            *("robustness", "--data", data["test"], "--network", network, "--weights", file, "--types", "noisy"),
            *("--out", top / f"r{next(new)}"),
        ),
        "sweep-nfe": lambda: bench(
            *("sweep-nfe", "--data", data["test"], "--network", "ir-sde", "--weights", file),
            *("--out", top / f"{next(new)}.png"),
        ),
        "init": lambda: bench(
            *("train", "nafnet", "--data", data["train"], "--out", top / f"t{next(new)}", "--init", file),
            *("--max-steps", 1, *NAFNET),
        ),
        "daclip": lambda: bench(
            *("train", "nafnet-daclip", "--data", data["train"], "--out", top / f"t{next(new)}", "--daclip", file),
            *("--max-steps", 1, *NAFNET),
        ),
    }


@counts(60, 700)
def test_no_name_in_weights_is_imported(count: int, data: dict[str, Path], canary: Canary, tmp_path: Path) -> None:
    photo(tmp_path / "in.png")
    light = ("restore", "restore as", "restore run", "inspect", "convert", "export", "runs")
    with Tally("names of code in the metadata of weights and runs") as tally:
        cases = [(way, name) for way in WAYS for name in commands(tmp_path, data, "nafnet")]
        if count < len(cases):
            # The quick commands take turns, so that every way is tried with several of them.
            cases = [(way, name) for n, way in enumerate(WAYS) for name in (light[n % 7], light[(n + 3) % 7])]
        for way, name in cases[:count]:
            network = "ir-sde" if {"sde", "sampler"} & way.keys() or name == "sweep-nfe" else "nafnet"
            said = metadata(network, **way)
            save_weights(tmp_path / "w.safetensors", state_of(network), said)
            made_run(tmp_path / "runs" / "run", network, **way)
            before = set(sys.modules)
            ended = commands(tmp_path, data, network)[name]()
            held = not canary.alive and "canary" not in set(sys.modules) - before
            tally.case(f"{name} with {way}", held and (ended.code == 0 or ended.refused), f"{ended}"[-600:])


def test_a_network_is_named_by_the_command_line_alone(canary: Canary, tmp_path: Path) -> None:
    photo(tmp_path / "in.png")
    save_weights(tmp_path / "w.safetensors", state_of("nafnet"), metadata(network="canary:load"))
    with pytest.raises(UserError, match=r"'canary:load', which is not in the catalogue.*named on the command line"):
        network_of(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="not in the catalogue"):
        load_restorer("nafnet", tmp_path / "w.safetensors")
    assert not canary.alive
    # Whoever runs the command may name it, and is told what it is.
    (tmp_path / "mine.py").write_text("import torch\n\ndef load():\n    return torch.nn.Identity()\n")
    ended = bench("restore", tmp_path / "in.png", tmp_path / "out.png", "--network", "mine:load")
    assert ended.code == 0
    assert f"runs the code of mine:load, from {tmp_path / 'mine.py'}" in ended.err
    assert not canary.alive


@pytest.mark.parametrize("name", ["builtins:breakpoint", "signal:pause", "os:abort", "time:sleep", "pdb:set_trace"])
def test_modules_of_python_itself_make_no_networks(name: str, tmp_path: Path) -> None:
    ended = bench("restore", photo(tmp_path / "in.png"), tmp_path / "out.png", "--network", name)
    assert ended.refused
    assert "is a module of Python itself" in ended.err


def test_recipes_look_up_names_in_catalogues_alone(canary: Canary, data: dict[str, Path], tmp_path: Path) -> None:
    with Tally("names of code in settings of recipes") as tally:
        for setting in (
            "losses={canary:load: 1}",
            "losses={'canary:load': 1}",
            "optimizer.name=canary:load",
            "optimizer={kind: canary:load}",
            "schedule.kind=canary:load",
            "name=canary:load",
            "task=canary:load",
            "loss=canary:load",
            "precision=canary:load",
            "sampling=canary:load",
            "adversarial={kind: canary:load}",
            "arch={canary: load}",
            "arch={width: 'canary:load'}",
            "seed=!!python/object/apply:canary.load []",
            "perceptual_weights=canary:load",
        ):
            ended = bench(
                *("train", "nafnet", "--data", data["train"], "--out", tmp_path / "t", "--max-steps", 1),
                *(*NAFNET, "--set", setting),
            )
            tally.case(setting, not canary.alive and (ended.refused or ended.code == 0), str(ended)[-600:])


def test_what_is_whole_still_works(data: dict[str, Path], tmp_path: Path) -> None:
    file = small_weights(tmp_path, "nafnet")
    assert bench("restore", photo(tmp_path / "in.png"), tmp_path / "out.png", "--weights", file).code == 0
    assert bench("restore", tmp_path / "in.png", tmp_path / "o2.png", "--weights", made_run(tmp_path / "run")).code == 0
