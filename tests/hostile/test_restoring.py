"""Trials of `bench restore`: flipped bits, two processes in one folder, kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from trials import Tally, bench, counts, flips

from benchmark.restoring.files import LEDGER
from models.networks.build import build

CODE = "import sys; from benchmark.cli import main; main(sys.argv[1:])"
ROOT = Path(__file__).parents[2]


def pictures(folder: Path, count: int, size: tuple[int, int] = (32, 24)) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.png"))}


@counts(12, 100)
def test_flips_in_the_ledger_lead_to_no_wrong_skip(count: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    again = ("restore", pictures(tmp_path / "in", 3), out, "--network", "input")
    assert bench(*again).code == 0
    clean, ledger = contents(out), (out / LEDGER).read_bytes()
    changed = Image.fromarray(np.zeros((24, 32, 3), np.uint8))
    with Tally("flips in the ledger of restored files") as tally:
        for place, data in flips(ledger, count):
            (out / LEDGER).write_bytes(data)
            ended = bench(*again)
            # Each is known as before, or its line is told to be damaged and the file is left as it is.
            told = (
                ended.code == 1 and "changed after being written" in ended.err and "was not written here" in ended.err
            )
            torn = ended.code == 1 and "was not written here" in ended.err and place >= len(ledger) - 2
            held = ended.code == 0 and "3 were there already" in ended.out
            tally.case(f"byte {place}", (told or torn or held) and contents(out) == clean, f"{ended.code} {ended.err}")
            (out / LEDGER).write_bytes(ledger)
    source = tmp_path / "in/01.png"
    changed.save(source)
    (out / LEDGER).write_bytes(ledger)
    assert "1 restored" in bench(*again).out


@counts(12, 100)
def test_flips_in_a_restored_file_are_told_and_not_skipped(count: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    again = ("restore", pictures(tmp_path / "in", 2), out, "--network", "input")
    assert bench(*again).code == 0
    whole = (out / "01.png").read_bytes()
    with Tally("flips in a restored file") as tally:
        for place, data in flips(whole, count):
            (out / "01.png").write_bytes(data)
            ended = bench(*again)
            held = ended.code == 1 and "01.png is there already and was not written here, or was changed" in ended.err
            tally.case(f"byte {place}", held and "1 were there already" in ended.out, f"{ended.code} {ended.err}")
    assert bench(*again, "--overwrite").code == 0
    assert (out / "01.png").read_bytes() == whole


def start(*arguments: object) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", CODE, *(str(argument) for argument in arguments)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small NAFNet that changes its input."""
    torch.manual_seed(0)
    network = build("nafnet", {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    file = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save({"params": network.state_dict()}, file)
    return file


@pytest.mark.parametrize("count", [pytest.param(20, marks=pytest.mark.long)])
def test_two_processes_restore_into_one_folder(count: int, weights: Path, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", 8, (160, 120))
    options = ("--network", "nafnet", "--weights", weights)
    assert bench("restore", source, tmp_path / "alone", *options).code == 0
    clean = contents(tmp_path / "alone")
    with Tally("two restorers in one folder") as tally:
        for number in range(count):
            out = tmp_path / f"out{number}"
            first = start("restore", source, out, *options)
            second = start("restore", source, out, *options)
            ends = [process.communicate(timeout=300) for process in (first, second)]
            codes = [first.returncode, second.returncode]
            whole = contents(out) == clean and not list(out.glob(".*.partial"))
            again = bench("restore", source, out, *options)
            held = codes == [0, 0] and whole and "8 were there already" in again.out
            tally.case(str(number), held, f"{codes} {ends} {again}")


@pytest.mark.parametrize("count", [pytest.param(30, marks=pytest.mark.long)])
def test_killed_restorers_are_taken_up(count: int, weights: Path, tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", 12, (200, 150))
    options = ("--network", "nafnet", "--weights", weights)
    assert bench("restore", source, tmp_path / "alone", *options).code == 0
    clean = contents(tmp_path / "alone")
    generator = np.random.default_rng(0)
    with Tally("kills of restore") as tally:
        for number in range(count):
            out = tmp_path / f"out{number}"
            process = start("restore", source, out, *options)
            while not list(out.glob("*.png")) and process.poll() is None:
                time.sleep(0.001)
            time.sleep(float(generator.uniform(0, 0.3)))
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            again = bench("restore", source, out, *options)
            held = again.code == 0 and contents(out) == clean and not list(out.glob(".*.partial"))
            tally.case(str(number), held, f"{again}")
