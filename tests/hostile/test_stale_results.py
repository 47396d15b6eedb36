"""A result is kept only for exactly the same work: whatever else it depends on changes, it is evaluated again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from eval_data import ARCHS, SDE, eval_dataset, small_weights
from small_models import ARCHS as ALL_ARCHS
from small_models import CLIP, shake
from trials import Tally, bench, counts

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.jobs import find_jobs, known_result
from benchmark.evaluation.setting import planned_setting
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.parts import Setting
from benchmark.results.restoration import read_results
from models.daclip.build import build_daclip
from models.files import SEAL, write_json
from models.networks.build import build
from models.weights.metadata import read_metadata
from models.weights.opened import load_state
from models.weights.saving import save_weights

LISTENER = "nafnet-degradation"
FACTORY = """
import torch
from own.parts import scale

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.weight * scale() * 0.75
"""


def write_daclip(path: Path, *, seed: int) -> None:
    torch.manual_seed(seed)
    daclip = shake(build_daclip(clip=CLIP, pretrained=None), seed=seed)
    facts = {"task": "daclip", "network": "daclip", "arch": daclip.arch}
    save_weights(path, daclip.state_dict(), facts)


def write_listener(path: Path, *, seed: int) -> None:
    torch.manual_seed(seed)
    module = shake(build(LISTENER, ALL_ARCHS[LISTENER]), seed=seed)
    save_weights(path, module.state_dict(), {"network": LISTENER, "arch": ALL_ARCHS[LISTENER]})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with test sets, weights of small networks, DA-CLIPs and code."""
    place = tmp_path_factory.mktemp("place")
    eval_dataset(place / "data", rows=1)
    eval_dataset(place / "larger", rows=2)
    for network in ("nafnet", "ir-sde"):
        for seed in (0, 1):
            small_weights(place, network, seed=seed)
    for seed in (0, 1):
        write_daclip(place / f"daclip-{seed}.safetensors", seed=seed)
        write_listener(place / f"listener-{seed}.safetensors", seed=seed)
    (place / "own").mkdir()
    (place / "own" / "__init__.py").write_text("")
    (place / "own" / "parts.py").write_text("def scale():\n    return 0.5\n")
    (place / "own" / "net.py").write_text(FACTORY)
    return place


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a changed module of the same size and second is read again
    folder = tmp_path / "place"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    yield folder
    forget_modules()


def forget_modules() -> None:
    for name in [name for name in sys.modules if name == "own" or name.startswith("own.")]:
        del sys.modules[name]


def run(*options: object, boards: str = "boards") -> dict[str, Any]:
    """Run a command in a fresh state of our own modules; return what its results say but for what was measured."""
    forget_modules()
    ended = bench(*options, "--leaderboards", boards, "--device", "cpu")
    assert ended.code == 0, ended.err
    return told(Path(boards))


def told(boards: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(boards.glob("*/*/*.json")):
        value = json.loads(path.read_text())
        for name in ("command", "date", "cost", "seconds_per_image", SEAL):
            value.pop(name, None)
        found[path.name] = value
    return found


NAFNET = ("eval", "--data", "data", "--network", "nafnet", "--weights", "nafnet-0.safetensors", "--protocol", "modern")
SAMPLED = ("eval", "--data", "data", "--network", "ir-sde", "--weights", "ir-sde-0.safetensors", "--protocol", "modern")
LISTENS = ("eval", "--data", "data", "--network", LISTENER, "--weights", "listener-0.safetensors", "--protocol")
LISTENS = (*LISTENS, "modern", "--daclip", "daclip-0.safetensors")
OWN = ("eval", "--data", "data", "--network", "own.net:Network", "--protocol", "modern")
ROBUST = ("robustness", "--data", "data", "--case", "hazy", "--limit", "1")
ROBUST_LISTENS = (*ROBUST, "--network", LISTENER, "--weights", "listener-0.safetensors", "--daclip")
ROBUST_LISTENS = (*ROBUST_LISTENS, "daclip-0.safetensors")
ROBUST_NAFNET = (*ROBUST, "--network", "nafnet", "--weights", "nafnet-0.safetensors")

Case = tuple[Sequence[str], Callable[[Path], Any], Callable[[Sequence[str]], Sequence[str]]]


def same(options: Sequence[str]) -> Sequence[str]:
    return options


def exchanged(old: str, new: str) -> Callable[[Sequence[str]], Sequence[str]]:
    return lambda options: [new if option == old else option for option in options]


def more(*further: str) -> Callable[[Sequence[str]], Sequence[str]]:
    return lambda options: [*options, *further]


def nothing(place: Path) -> None:
    pass


def copied(old: str, new: str) -> Callable[[Path], Any]:
    return lambda place: shutil.copy(place / old, place / new)


def refilled(place: Path) -> None:
    """Put another test set in the place of the first."""
    shutil.rmtree(place / "data")
    shutil.move(place / "larger", place / "data")


def retold(file: str, **changes: Any) -> Callable[[Path], None]:
    """Return what writes other metadata into weights with the same tensors."""

    def change(place: Path) -> None:
        path = place / file
        state = {name: value.clone() for name, value in load_state(path).items()}
        save_weights(path, state, {**read_metadata(path), **changes})

    return change


def rewritten(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        text = (place / file).read_text()
        assert old in text
        (place / file).write_text(text.replace(old, new))

    return change


def first(place: Path, ending: str) -> Path:
    return next(iter(sorted(place.glob(f"boards/*/*/*{ending}"))))


def unlinked_rows(place: Path) -> None:
    first(place, ".parquet").unlink()


def of_before(place: Path) -> None:
    """Turn a result into one that does not tell which DA-CLIP it had."""
    path = first(place, ".json")
    value = json.loads(path.read_text())
    write_json(path, {key: item for key, item in value.items() if key not in (SEAL, "setting", "rows_sha256")})


SLOWER = {**SDE, "max_sigma": 30.0}
OTHER_ARCH = {**ARCHS["nafnet"], "encoder_blocks": [1]}

CASES: dict[str, Case] = {
    "another DA-CLIP": (LISTENS, nothing, exchanged("daclip-0.safetensors", "daclip-1.safetensors")),
    "a DA-CLIP of the same name": (LISTENS, copied("daclip-1.safetensors", "daclip-0.safetensors"), same),
    "a result that does not tell its DA-CLIP": (LISTENS, of_before, same),
    "weights of the same name, listening": (LISTENS, copied("listener-1.safetensors", "listener-0.safetensors"), same),
    "weights of the same name": (NAFNET, copied("nafnet-1.safetensors", "nafnet-0.safetensors"), same),
    "weights of the same name, sampled": (SAMPLED, copied("ir-sde-1.safetensors", "ir-sde-0.safetensors"), same),
    "other weights": (NAFNET, nothing, exchanged("nafnet-0.safetensors", "nafnet-1.safetensors")),
    "a test set of the same name": (NAFNET, refilled, same),
    "another test set": (NAFNET, nothing, exchanged("data", "larger")),
    "another protocol": (NAFNET, nothing, exchanged("modern", "daclip-table2")),
    "other metadata": (NAFNET, retold("nafnet-0.safetensors", arch=OTHER_ARCH, step=3), same),
    "another process": (SAMPLED, retold("ir-sde-0.safetensors", sde=SLOWER), same),
    "another sampler": (SAMPLED, nothing, more("--sampler", "ode")),
    "another number of calls": (SAMPLED, nothing, more("--sampler", "mr-sde-1", "--nfe", "2")),
    "another prediction": (SAMPLED, nothing, more("--sampler", "mr-sde-2", "--prediction", "noise")),
    "another seed": (SAMPLED, nothing, more("--seed", "7")),
    "another sampler in the weights": (SAMPLED, retold("ir-sde-0.safetensors", sampler="ode"), same),
    "rows that are gone": (NAFNET, unlinked_rows, same),
    "code of a factory": (OWN, rewritten("own/net.py", "0.75", "0.25"), same),
    "code beside a factory": (OWN, rewritten("own/parts.py", "0.5", "0.4"), same),
    "the network itself": (NAFNET, nothing, lambda options: [*options[:4], "input", *options[7:]]),
    "another DA-CLIP, robustness": (ROBUST_LISTENS, nothing, exchanged("daclip-0.safetensors", "daclip-1.safetensors")),
    "a DA-CLIP of the same name, robustness": (
        ROBUST_LISTENS,
        copied("daclip-1.safetensors", "daclip-0.safetensors"),
        same,
    ),
    "weights of the same name, robustness": (
        ROBUST_NAFNET,
        copied("nafnet-1.safetensors", "nafnet-0.safetensors"),
        same,
    ),
    "another seed of the degradations": (ROBUST_NAFNET, nothing, more("--degradation-seed", "3")),
    "other cases": (ROBUST_NAFNET, nothing, exchanged("hazy", "noisy")),
    "other images, robustness": (ROBUST_NAFNET, nothing, exchanged("1", "2")),
    "rows that are gone, robustness": (ROBUST_NAFNET, unlinked_rows, same),
}


@counts(2, len(CASES))
def test_stale_results(place: Path, template: Path, count: int) -> None:
    with Tally("cases in which an old result does not stand for new work") as tally:
        for name, (options, change, options_of) in list(CASES.items())[:: -(-len(CASES) // count)]:
            shutil.rmtree(place)
            shutil.copytree(template, place)
            os.chdir(place)  # the folder is another one of the same name
            before = run(*options)
            paths = {path: path.read_bytes() for path in sorted(Path("boards").glob("*/*/*.json"))}
            if options is not OWN:  # what code from outside gives is never taken from before
                run(*options)
                assert {path: path.read_bytes() for path in paths} == paths, f"{name}: the same work was done again"
            change(place)
            after = run(*options_of(options))
            fresh = run(*options_of(options), boards="fresh")
            kept = {key: after.get(key) for key in fresh}
            written = [path for path, data in paths.items() if path.is_file() and path.read_bytes() != data]
            anew = bool(written) or bool(set(fresh) - set(before)) or name == "rows that are gone"
            tally.case(name, kept == fresh and anew, f"kept {kept} in place of {fresh}"[:1500])


@pytest.mark.parametrize(
    "change",
    [
        {"device": "cuda"},
        {"precision": "bf16"},
        {"max_memory": 1 << 30},
        {"daclip_sha256": "0" * 64},
        {"code_sha256": "0" * 64},
    ],
)
def test_another_setting_is_other_work(place: Path, change: dict[str, Any]) -> None:
    run(*NAFNET)
    (job,) = find_jobs(runs=None, networks=["nafnet"], weights=[place / "nafnet-0.safetensors"], sampling=None)
    (result,) = read_results(place / "boards")
    setting = planned_setting(job, daclip=None, device="cpu:0")
    assert result.setting == setting == Setting(device="cpu")
    test_set = (result.test_set.name, result.test_set.digest)
    words = {row["key"]: row["degradation"] for row in Dataset(place / "data").index("test")}

    def known(**changes: Any) -> Any:
        work = {"protocol": PROTOCOLS["modern"], "job": job, "setting": setting, "words": words, **changes}
        return known_result(place / "boards", test_set, **work)

    assert known() == result
    assert known(setting=replace(setting, **change)) is None
    assert known(protocol=replace(PROTOCOLS["modern"], version=2)) is None
    assert known(job=replace(job, network="ffdnet")) is None
    assert known(words={key: "rainy" if word == "noisy" else word for key, word in words.items()}) is None
    assert known(words=dict(zip(words, reversed(words.values()), strict=True))) is None
