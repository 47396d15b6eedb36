"""An evaluation that was killed, or whose weights change, does not go on with other work under the old name."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_stale_results import (
    LISTENS,
    NAFNET,
    OWN,
    ROBUST_NAFNET,
    SAMPLED,
    SLOWER,
    copied,
    more,
    nothing,
    place,
    retold,
    rewritten,
    run,
    same,
    template,
    told,
)
from trials import bench

from benchmark.evaluation import run as evaluation

__all__ = ["place", "template"]  # fixtures


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize(
    ("options", "change", "options_of"),
    [
        (OWN, rewritten("own/net.py", "0.75", "0.25"), same),
        (OWN, rewritten("own/parts.py", "0.5", "0.4"), same),
        (LISTENS, copied("daclip-1.safetensors", "daclip-0.safetensors"), same),
        pytest.param(SAMPLED, nothing, more("--seed", "7"), marks=pytest.mark.long),
    ],
)
def test_a_killed_evaluation_does_not_go_on_with_other_work(
    place: Path, monkeypatch: pytest.MonkeyPatch, options: Sequence[str], change: Any, options_of: Any
) -> None:
    whole = evaluation.write_all

    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(evaluation, "write_all", killed)
    ended = bench(*options, "--leaderboards", "boards", "--device", "cpu")
    assert "Killed" in ended.err
    assert len(list((place / "boards").glob("results/.partial/*.sqlite"))) == 1
    monkeypatch.setattr(evaluation, "write_all", whole)
    change(place)
    after = run(*options_of(options))
    assert after == run(*options_of(options), boards="fresh")


@pytest.mark.parametrize("options", [NAFNET, SAMPLED, LISTENS, ROBUST_NAFNET])
def test_weights_that_change_between_plan_and_load_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, options: Sequence[str]
) -> None:
    """The file is another one by the time it is loaded, as when a copy of new weights ends just then."""
    from benchmark.evaluation.robustness import run as robustness_jobs

    old = place / options[options.index("--weights") + 1]
    new = place / old.name.replace("-0", "-1")
    module = robustness_jobs if options[0] == "robustness" else evaluation
    load = module.load_restorer

    def swapped(*arguments: Any, **named: Any) -> Any:
        shutil.copy(new, old)
        return load(*arguments, **named)

    monkeypatch.setattr(module, "load_restorer", swapped)
    ended = bench(*options, "--leaderboards", "boards", "--device", "cpu")
    assert ended.refused
    assert "changed while" in ended.err
    assert told(place / "boards") == {}


def test_a_daclip_that_changes_between_plan_and_load_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = evaluation.load_restorer

    def swapped(*arguments: Any, **named: Any) -> Any:
        shutil.copy(place / "daclip-1.safetensors", place / "daclip-0.safetensors")
        return load(*arguments, **named)

    monkeypatch.setattr(evaluation, "load_restorer", swapped)
    ended = bench(*LISTENS, "--leaderboards", "boards", "--device", "cpu")
    assert ended.refused
    assert "the DA-CLIP of" in ended.err
    assert told(place / "boards") == {}


def test_a_sweep_does_not_go_on_with_another_daclip_or_process(place: Path) -> None:
    common = ("sweep-nfe", "--data", "data", "--network", "ir-sde", "--sampler", "posterior", "--per-type", "1")
    ways = ("--weights", "ir-sde-0.safetensors", "--out", "nfe.png", "--device", "cpu")
    assert bench(*common, *ways, "--nfe", "1").code == 0
    assert bench(*common, *ways, "--nfe", "1", "--nfe", "2").code == 0
    retold("ir-sde-0.safetensors", sde=SLOWER)(place)
    ended = bench(*common, *ways, "--nfe", "1")
    assert ended.refused
    assert "holds a sweep of other weights" in ended.err
