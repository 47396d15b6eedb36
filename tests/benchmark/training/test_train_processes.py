"""Several processes learn what one does: the same batches, losses and weights; all stop together."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch
from train_data import DACLIP, IR_SDE, NAFNET, command, events, finish, losses, make_dataset, start

from models.weights.opened import load_state

pytestmark = pytest.mark.long
SETTINGS = {
    "nafnet": (*NAFNET, "--set=clip_norm=1", "--set=ema={decay: 0.9}"),
    "ir-sde": IR_SDE,
    "daclip": (*DACLIP, "--set=gather_gradients=true"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a small dataset."""
    return make_dataset(tmp_path_factory.mktemp("processes") / "dataset")


def arguments(name: str, data: Path, out: Path, *more: str) -> tuple[str, ...]:
    common = ("train", name, "--data", str(data), "--out", str(out), "--device", "cpu", "--max-steps", "6")
    return (*common, *SETTINGS[name], *more)


@pytest.fixture(scope="module")
def alone(data: Path) -> Path:
    """Train each network in one process."""
    for name in SETTINGS:
        assert command(*arguments(name, data, data.parent / name)) == 0
    return data.parent


def compare(name: str, out: Path, alone: Path) -> None:
    assert losses(out) == pytest.approx(losses(alone / name), rel=1e-4, abs=1e-4)
    states = [load_state(path / "weights.safetensors") for path in (out, alone / name)]
    assert states[0].keys() == states[1].keys()
    for key, value in states[1].items():
        torch.testing.assert_close(states[0][key], value, atol=2e-4, rtol=5e-3, msg=key)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_learn_what_one_does(name: str, strategy: str, data: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, told, err = finish(start(*arguments(name, data, out, "--devices", "2", "--strategy", strategy)))
    assert status == 0, err
    assert told.count("6 steps") == 1
    assert events(out)[0]["processes"] == 2
    compare(name, out, alone)


@pytest.mark.parametrize(("processes", "more"), [(3, ()), (4, ()), (4, ("--set=accumulate=2",))])
def test_shares_may_be_unequal(processes: int, more: tuple[str, ...], data: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, _, err = finish(start(*arguments("nafnet", data, out, "--devices", str(processes), *more)))
    assert status == 0, err
    compare("nafnet", out, alone)


def test_torchrun_starts_the_processes(data: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    launcher = ("torchrun", "--nproc-per-node", "2", "--standalone")
    status, _, err = finish(start(*arguments("nafnet", data, out), launcher=launcher))
    assert status == 0, err
    assert events(out)[0]["processes"] == 2
    compare("nafnet", out, alone)


def test_two_nodes_of_one_process_each_meet(data: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    nodes = []
    for number in range(2):
        launcher = ("torchrun", "--nnodes=2", f"--node-rank={number}", "--nproc-per-node=1")
        launcher += ("--master-addr=127.0.0.1", "--master-port=29613")
        nodes.append(start(*arguments("nafnet", data, out, "--num-nodes", "2"), launcher=launcher))
    for status, _, err in [finish(node) for node in nodes]:
        assert status == 0, err
    compare("nafnet", out, alone)


@pytest.mark.parametrize(
    ("before", "after"), [(("--devices", "2"), ()), ((), ("--devices", "2", "--strategy", "fsdp"))]
)
def test_a_stopped_run_goes_on_with_other_processes(
    before: tuple[str, ...], after: tuple[str, ...], data: Path, tmp_path: Path
) -> None:
    long = ("--set=steps=400", "--set=save_every=1000", "--set=optimizer.kind=sgd", "--set=optimizer.lr=1e-3")
    whole, out = tmp_path / "whole", tmp_path / "run"
    base = ("train", "nafnet", "--data", str(data), "--device", "cpu", *SETTINGS["nafnet"], *long)
    assert command(*base, "--out", str(whole)) == 0
    process = start(*base, "--out", str(out), *before)
    while not (out / "events.jsonl").is_file() or len(losses(out)) < 3:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    status, _, err = finish(process)
    assert status == 143, err
    assert "stopped by SIGTERM after step" in err
    assert "the same command continues from there" in err
    status, _, err = finish(start(*base, "--out", str(out), *after))
    assert status == 0, err
    assert [event["event"] for event in events(out) if "event" in event] == ["started", "stopped", "resumed"]
    assert len(losses(out)) == 400
    assert losses(out) == pytest.approx(losses(whole), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("daclip", ("--set=batch_size=7",), "must be a multiple of the 2 processes"),
        ("nafnet", ("--init", "absent.safetensors"), "weights not found: absent.safetensors"),
    ],
)
def test_a_mistake_is_told_once(name: str, more: tuple[str, ...], message: str, data: Path, tmp_path: Path) -> None:
    status, _, err = finish(start(*arguments(name, data, tmp_path / "run", "--devices", "2", *more)))
    assert status == 2, err
    assert err.count("bench: ") == 1
    assert message in err
    assert "Traceback" not in err


def test_validation_is_shared_out(data: Path, tmp_path: Path) -> None:
    checked = ("--set=validation={every: 3, per_type: 1, batch_size: 4, size: 32}",)
    assert command(*arguments("nafnet", data, tmp_path / "one", *checked)) == 0
    for strategy in ("ddp", "fsdp"):
        out = tmp_path / strategy
        status, _, err = finish(
            start(*arguments("nafnet", data, out, "--devices", "2", "--strategy", strategy, *checked))
        )
        assert status == 0, err
        found, wanted = ([e for e in events(run) if "validation/psnr" in e] for run in (out, tmp_path / "one"))
        assert len(found) == len(wanted) == 2
        for one, other in zip(found, wanted, strict=True):
            assert one == pytest.approx(other, abs=0.02)
        assert (out / "best.safetensors").is_file()
