"""Quality against network calls: a sweep that can be killed, and its figure and table."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.building.run import build_dataset
from benchmark.cli import main
from benchmark.dataset.folder import Dataset
from benchmark.evaluation.sweep import cells_of, first_pairs, sweep
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.report.nfe import nfe_figure, nfe_markdown, reference_of
from benchmark.sources import SOURCES
from models.diffusion.samplers import SAMPLERS
from models.diffusion.sde import MeanRevertingSDE
from models.errors import UserError
from models.files import sha256_file
from models.inference.restorer import Restorer
from models.networks.build import build
from models.weights.run import save_run_weights

ARCH = {"width": 8, "multipliers": [1, 2]}
METHOD = {"title": "IR-SDE", "network": "ir-sde", "weights_sha256": "0" * 64}
CELLS = [("posterior", 1), ("posterior", 4), ("mr-ode-2", 2)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return a dataset with two test pairs of two types."""
    folder = tmp_path_factory.mktemp("sweep") / "dataset"
    rows = groupby(SOURCES.load("demo")(None), key=lambda s: (s.split, s.degradation))
    samples = [s for (split, word), same in rows if split == "test" and word in ("noisy", "hazy") for s in [*same][:2]]
    build_dataset(samples, folder, recipe={})
    return Dataset(folder)


@pytest.fixture
def restorer() -> Restorer:
    torch.manual_seed(0)
    return Restorer(name="ir-sde", network=build("ir-sde", ARCH), sde=MeanRevertingSDE(steps=4)).eval()


def run(restorer: Restorer, data: Dataset, out: Path, cells: list[tuple[str, int]], **more: int) -> dict:
    settings: dict[str, Any] = {"seed": 0, "per_type": 1, **more}
    return sweep(restorer, data, PROTOCOLS["daclip"], out, method=METHOD, cells=cells, **settings)


def test_a_sweep_continued_ends_with_the_same_bytes_and_measures_nothing_twice(
    restorer: Restorer, data: Dataset, tmp_path: Path
) -> None:
    whole = run(restorer, data, tmp_path / "whole.json", CELLS)
    run(restorer, data, tmp_path / "part.json", CELLS[1:2])
    calls: list[int] = []
    restorer.network.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    done: list[int] = []
    settings: dict[str, Any] = {"method": METHOD, "cells": CELLS, "seed": 0, "per_type": 1, "progress": done.append}
    sweep(restorer, data, PROTOCOLS["daclip"], tmp_path / "part.json", **settings)
    # One image of each of two types, which differ in nothing but the type, so they share a batch: 1 + 2 calls.
    assert sum(calls) == 2 * (1 + 2)
    assert done[-1] == 2 * len(CELLS)
    assert sha256_file(tmp_path / "whole.json") == sha256_file(tmp_path / "part.json")
    assert [(cell["sampler"], cell["nfe"]) for cell in whole["cells"]] == CELLS
    assert all(cell["n"] == 2 for cell in whole["cells"])
    with pytest.raises(UserError, match="holds a sweep of other weights, images or settings"):
        run(restorer, data, tmp_path / "whole.json", CELLS, seed=1)


def test_samplers_of_whole_steps_are_asked_for_no_more_than_there_are(restorer: Restorer) -> None:
    cells = cells_of(restorer, ["posterior", "mr-sde-1"], [5, 2, 2, 4])
    assert cells == [("posterior", 2), ("posterior", 4), ("mr-sde-1", 2), ("mr-sde-1", 4), ("mr-sde-1", 5)]


def test_the_first_images_of_every_type_are_taken(data: Dataset) -> None:
    assert [pair.degradation for pair in first_pairs(data, 1)] == ["hazy", "noisy"]
    assert len(list(first_pairs(data, None))) == 4


def made_up() -> dict:
    """Return a sweep of all samplers whose PSNR grows with the calls, mr-ode-2 best at ten."""
    cells = [
        {"sampler": name, "prediction": "data", "nfe": nfe, "n": 3, "metrics": {"psnr": 20 + nfe / 10, "ssim": 0.5}}
        for name in SAMPLERS
        for nfe in (1, 10, 100)
    ]
    next(c for c in cells if (c["sampler"], c["nfe"]) == ("mr-ode-2", 10))["metrics"] = {"psnr": 31.5, "ssim": 0.6}
    identity = {
        **METHOD,
        "sde": MeanRevertingSDE().settings(),
        "test_set": {"name": "demo", "digest": "d" * 64, "per_type": None},
        "protocol": "daclip v1",
        "seed": 0,
    }
    return {"schema": 1, "identity": identity, "cells": cells}


def test_the_table_says_which_sampler_is_best_and_how_far_from_the_published_way() -> None:
    text = nfe_markdown(made_up())
    assert reference_of(made_up()) == made_up()["cells"][2]
    assert "- 10 calls: best `mr-ode-2`, +1.50 against the published way (30.00)" in text
    assert "| **31.50** |" in text
    assert text.count("\n## ") == 2
    assert all(f"| `{name}`" in text for name in SAMPLERS)


def test_the_figure_is_a_png_with_the_same_bytes_every_time() -> None:
    first = nfe_figure(made_up())
    assert first.startswith(b"\x89PNG\r\n")
    assert first == nfe_figure(made_up())


def test_the_command_writes_figure_table_and_numbers(
    restorer: Restorer, data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    weights = tmp_path / "w.safetensors"
    facts = {"task": "restoration", "network": "ir-sde", "arch": ARCH, "recipe": {}, "dataset": {}, "step": 1}
    save_run_weights(weights, state=restorer.network, sde=restorer.sde.settings(), **facts)
    out = tmp_path / "nfe.png"
    common = ["sweep-nfe", "--data", str(data.folder), "--weights", str(weights), "--out", str(out)]
    few = ["--sampler", "posterior", "--sampler", "mr-sde-2", "--nfe", "1", "--nfe", "4", "--per-type", "1"]
    with pytest.raises(SystemExit) as stop:
        main([*common, "--network", "ir-sde", *few])
    assert not stop.value.code
    found = json.loads((tmp_path / "nfe.json").read_text(encoding="utf-8"))
    assert [(c["sampler"], c["nfe"]) for c in found["cells"]] == [
        (s, n) for s in ("posterior", "mr-sde-2") for n in (1, 4)
    ]
    assert found["identity"]["weights_sha256"] == sha256_file(weights)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "published way" in (tmp_path / "nfe.md").read_text(encoding="utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*common, "--network", "nafnet"])
    assert stop.value.code == 2
    assert "restores in one pass" in capsys.readouterr().err
