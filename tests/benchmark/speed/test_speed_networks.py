"""What `bench speed networks` measures is kept, continued, and true in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from measured_networks import measured

from benchmark.cli.speed import command
from benchmark.evaluation.cost import count_flops
from benchmark.report.speed_networks import networks_markdown
from benchmark.speed import MEASUREMENTS
from benchmark.speed.network_call import REPEATS, Call, degraded_mosaic, measure
from benchmark.speed.networks import chosen_names, machine_of, measured_apart, networks_speed, parse_size
from models.errors import UserError
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build

CHEAP_ON_4K = ("enlightengan", "griddehazenet", "dehazeformer-t")


@pytest.mark.parametrize(
    ("text", "size"), [("256x256", (256, 256)), ("1280x720", (1280, 720)), ("1x16384", (1, 16384))]
)
def test_a_size_is_width_and_height(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "256", "0x5", "5x0", "-1x5", "256 x 256", "1280X720", "16385x1", "ax1"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="1280x720"):
        parse_size(text)


def test_without_names_all_networks_are_chosen_that_compute_in_the_precision() -> None:
    assert chosen_names(None, "fp32") == list(NETWORKS)
    assert chosen_names(None, "bf16") == [name for name, card in NETWORKS.items() if "bf16" in card.half]
    assert chosen_names(["tv", "nlm", "tv"], "fp32") == ["tv", "nlm"]
    with pytest.raises(UserError, match="nafnet"):
        chosen_names(["nafnett"], "fp32")
    with pytest.raises(UserError, match="spandrel"):
        chosen_names(["spandrel"], "fp32")


def test_an_image_has_its_size_and_is_degraded_as_asked() -> None:
    noisy, holes = (degraded_mosaic(word, (80, 50)) for word in ("noisy", "uncompleted"))
    assert noisy.shape == holes.shape == (3, 50, 80)
    assert noisy.dtype == torch.float32
    assert not torch.equal(noisy, holes)
    assert float((holes == 1).all(dim=0).float().mean()) > 0.001
    assert torch.equal(noisy, degraded_mosaic("noisy", (80, 50)))


def test_one_network_is_measured_with_its_parameters_and_operations() -> None:
    found = measure(Call(name="prn-r", size=(40, 24), flops=True))
    network = build("prn-r", {})
    assert found["parameters"] == sum(p.numel() for p in network.parameters())
    assert found["flops"] == count_flops(Restorer(name="prn-r", network=network))["flops"] > 1e9
    assert found["nfe"] == 1
    row = found["row"]
    assert 0 < row["seconds"] < 60
    assert row["processor_seconds"] > 0
    assert row["runs"] == REPEATS
    assert row["peak_memory_bytes"] > 50e6
    assert row["tile"] is None
    assert "step_seconds" not in row


def test_a_network_without_weights_has_no_operations_to_count() -> None:
    found = measure(Call(name="tv", size=(40, 24), flops=True))
    assert (found["parameters"], found["flops"], found["nfe"]) == (0, None, 0)


def test_attention_and_deformable_convolution_count() -> None:
    class Both(torch.nn.Module):
        multiple_of = 1

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            from torchvision.ops import deform_conv2d

            tokens = x.reshape(1, 3, 16, 16)
            attended = F.scaled_dot_product_attention(tokens, tokens, tokens).reshape(x.shape)
            offset = x.new_zeros(1, 18, *x.shape[2:])
            return deform_conv2d(attended, offset, x.new_ones(3, 3, 3, 3), padding=(1, 1))

    restorer = Restorer(name="input", network=Both())
    attention = 2 * (2 * 3 * 16 * 16 * 16)
    convolution = 2 * (3 * 16 * 16) * (3 * 3 * 3)
    assert count_flops(restorer, side=16) == {"flops": attention + convolution, "flops_size": "16x16"}


@pytest.mark.long
def test_the_time_of_a_sampled_image_is_that_of_all_its_steps() -> None:
    found = measure(Call(name="refusion", size=(32, 32)))
    row = found["row"]
    assert found["nfe"] == 100
    assert row["seconds"] > 98 * row["step_seconds"] > 0
    assert row["seconds"] < 98 * row["step_seconds"] + 60


def test_a_file_of_another_machine_is_kept_unless_it_is_to_be_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "networks.json"
    before = json.dumps(measured())
    out.write_text(before)
    with pytest.raises(UserError, match=r"another machine.*--overwrite"):
        networks_speed(names=["input"], sizes=["8x8"], out=out)
    assert out.read_text() == before
    assert machine_of("cpu", "fp32") != measured()["machine"]


def test_there_are_no_other_devices_than_the_machine_has(tmp_path: Path) -> None:
    for device in ("no-such-device", "cuda:99"):
        with pytest.raises(UserError, match=device):
            networks_speed(names=["input"], sizes=["8x8"], device=device, out=tmp_path / "networks.json")
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.long
def test_a_killed_run_continues_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "speed" / "networks.json"
    names = [argument for name in ("input", "jorder", "clahe") for argument in ("--network", name)]
    arguments = ["speed", "networks", *names, "--size", "24x16", "--json", str(out)]
    bench = [sys.executable, "-c", "import sys; from benchmark.cli import main; main(sys.argv[1:])", *arguments]
    running = subprocess.Popen(bench, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    limit = time.monotonic() + 300
    while not out.is_file() and time.monotonic() < limit:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    first = json.loads(out.read_text())["networks"]
    assert 0 < len(first) < 3
    done = subprocess.run(bench, capture_output=True, text=True, check=True)
    last = json.loads(out.read_text())
    assert list(last["networks"]) == ["input", "clahe", "jorder"]
    assert all(last["networks"][name] == entry for name, entry in first.items())
    assert len(done.stdout.splitlines()) == 3
    assert out.with_suffix(".md").read_text() == networks_markdown(last)
    before = out.read_bytes()
    subprocess.run(bench, capture_output=True, check=True)
    assert out.read_bytes() == before


@pytest.mark.long
def test_what_cannot_be_measured_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "networks.json"
    way = ["--size", "64x64", "--json", str(out), "--max-memory", "1M"]
    done = CliRunner().invoke(command, ["networks", "--network", "jorder", *way])
    assert done.exit_code == 1
    assert "not measured: jorder at 64x64: 1 MiB of memory do not suffice" in done.stderr
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.long
@pytest.mark.parametrize("name", CHEAP_ON_4K)
def test_an_image_of_4096x2160_pixels_is_restored_within_4_gigabytes(name: str) -> None:
    budget = 4 * 2**30
    row = measured_apart(Call(name=name, size=(4096, 2160), max_memory=budget))["row"]
    assert row["tile"] is not None
    assert row["held_memory_bytes"] < row["peak_memory_bytes"] <= budget


def allowed(name: str, megabytes: int) -> int:
    """Return so much more than a process takes for the network and a small image: libraries differ between machines."""
    row = measured_apart(Call(name=name, size=(64, 64), max_memory=2**40))["row"]
    return row["peak_memory_bytes"] + megabytes * 10**6


@pytest.mark.slow
def test_holes_count_when_the_memory_of_inpainting_is_estimated() -> None:
    budget = allowed("biharmonic", 300)
    row = measured_apart(Call(name="biharmonic", size=(1280, 720), max_memory=budget))["row"]
    assert row["tile"] is not None
    assert row["peak_memory_bytes"] <= budget
    found = measured_apart(Call(name="unsupervised-wiener", size=(1920, 1080), max_memory=budget))
    assert "'unsupervised-wiener' needs to see the whole image" in found["refused"]


@pytest.mark.slow
def test_the_time_of_an_image_in_many_tiles_follows_from_the_first_ones() -> None:
    budget = allowed("prn-r", 500)
    call = Call(name="prn-r", size=(1280, 720), max_memory=budget)
    first, whole = (measured_apart(replace(call, patience=patience))["row"] for patience in (0, 1000))
    assert min(first["tiles"], whole["tiles"]) > 1
    assert first["tiles_done"] == 1
    assert "tiles_done" not in whole
    assert max(first["peak_memory_bytes"], whole["peak_memory_bytes"]) <= budget
    assert 0.3 < first["processor_seconds"] / whole["processor_seconds"] < 3


def test_mistakes_end_with_one_sentence_before_anything_runs(tmp_path: Path) -> None:
    for options, told in (
        (["--network", "restormr"], "restormer"),
        (["--size", "big"], "1280x720"),
        (["--max-memory", "much"], "4G"),
        (["--json", str(tmp_path / "networks.md")], ".json"),
    ):
        done = CliRunner().invoke(command, ["networks", "--json", str(tmp_path / "networks.json"), *options])
        assert isinstance(done.exception, UserError), options
        assert told in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_every_measurement_is_a_command() -> None:
    done = CliRunner().invoke(command, ["--help"])
    assert done.exit_code == 0
    assert all(f"\n  {what} " in done.stdout for what in MEASUREMENTS)
