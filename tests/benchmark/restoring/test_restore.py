"""`bench restore`: kinds of files, formats, what is left out, and taking up where a run ended."""

from __future__ import annotations

import json
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

from benchmark.cli import main
from benchmark.restoring.files import LEDGER
from models.networks.build import build

NAFNET = {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)}


def run(*arguments: object) -> int:
    """Run the command line and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main(["restore", *(str(argument) for argument in arguments)])
    return int(stop.value.code or 0)


def image(path: Path, *, seed: int = 0, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Return a small NAFNet that changes its input."""
    torch.manual_seed(0)
    network = build("nafnet", NAFNET)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    torch.save({"params": network.state_dict()}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_the_network_is_told_by_its_weights(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = image(tmp_path / "in.png")
    assert run(source, tmp_path / "a.png", "--weights", weights) == 0
    assert "these are weights of nafnet" in capsys.readouterr().out
    assert run(source, tmp_path / "b.png", "--weights", weights, "--network", "nafnet") == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.asarray(Image.open(source)))


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("tif", "TIFF"), ("webp", "WEBP")])
def test_the_ending_decides_on_the_format(suffix: str, kind: str, tmp_path: Path) -> None:
    source = image(tmp_path / "photos/in.png", mode="L")
    assert run(source, tmp_path / f"o.{suffix}", "--network", "input") == 0
    assert run(tmp_path / "photos", tmp_path / "out", "--network", "input", "--format", suffix) == 0
    for out in (tmp_path / f"o.{suffix}", tmp_path / f"out/in.{suffix}"):
        assert Image.open(out).format == kind
        assert Image.open(out).mode == ("RGB" if suffix == "webp" else "L")


def test_what_cannot_be_read_is_left_out_and_the_others_are_done(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for number in range(3):
        image(tmp_path / f"in/{number}.png", seed=number)
    (tmp_path / "in/1.png").write_bytes((tmp_path / "in/1.png").read_bytes()[:200])
    image(tmp_path / "in/3.png", mode="RGBA")
    image(tmp_path / "in/4.png", size=(1, 1))
    assert run(tmp_path / "in", tmp_path / "out", "--network", "input", "--format", "jpg") == 1
    shown = capsys.readouterr()
    assert "3 restored" in shown.out
    assert "1.png: not a readable image" in shown.err
    assert "3.png: a JPEG file cannot hold the alpha channel" in shown.err
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [LEDGER, "0.jpg", "2.jpg", "4.jpg"]


def test_a_second_run_restores_only_what_is_new_or_has_changed(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for number in range(3):
        image(tmp_path / f"in/{number}.png", seed=number)
    again = (tmp_path / "in", tmp_path / "out", "--weights", weights)
    assert run(*again) == 0
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.png")}
    image(tmp_path / "in/1.png", seed=9)
    image(tmp_path / "in/3.png", seed=3)
    capsys.readouterr()
    assert run(*again) == 0
    assert "2 restored" in (shown := capsys.readouterr().out)
    assert "2 were there already" in shown
    after = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.png")}
    assert [name for name in before if before[name] != after[name]] == ["1.png"]
    assert run(*again, "--tile", "48") == 0
    assert "4 restored" in capsys.readouterr().out
    assert run(*again, "--tile", "48", "--overwrite") == 0
    assert "4 restored" in capsys.readouterr().out


def test_files_of_others_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    image(tmp_path / "in/a.png")
    image(tmp_path / "in/b.png", seed=1)
    foreign = image(tmp_path / "out/a.png", seed=5).read_bytes()
    assert run(tmp_path / "in", tmp_path / "out", "--network", "input") == 1
    assert "was not written here" in capsys.readouterr().err
    assert (tmp_path / "out/a.png").read_bytes() == foreign
    assert (tmp_path / "out/b.png").is_file()
    assert run(tmp_path / "in", tmp_path / "out", "--network", "input", "--overwrite") == 0
    assert (tmp_path / "out/a.png").read_bytes() != foreign
    assert run(tmp_path / "in", tmp_path / "in", "--network", "input", "--overwrite") == 2
    assert "one of the images to restore" in capsys.readouterr().err


@pytest.mark.long
def test_a_killed_run_is_taken_up_and_ends_with_the_same_bytes(weights: Path, tmp_path: Path) -> None:
    for number in range(12):
        image(tmp_path / f"in/{number:02}.png", seed=number, size=(300, 200))
    options = ["--weights", str(weights), "--network", "nafnet"]
    assert run(tmp_path / "in", tmp_path / "whole", *options) == 0
    out = tmp_path / "out"
    code = "import sys; from benchmark.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "restore", str(tmp_path / "in"), str(out), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(out.glob("*.png")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = len((out / LEDGER).read_text().splitlines()) if (out / LEDGER).exists() else 0
    assert done < 12
    with open(out / LEDGER, "a") as file:
        file.write('{"file": "torn')
    assert run(tmp_path / "in", out, *options) == 0
    for file in (tmp_path / "whole").glob("*.png"):
        assert (out / file.name).read_bytes() == file.read_bytes()
    entries = [json.loads(line) for line in (out / LEDGER).read_text().splitlines() if "torn" not in line]
    assert {entry["file"] for entry in entries} == {f"{number:02}.png" for number in range(12)}


def test_a_batch_gives_the_files_that_its_images_give_alone(weights: Path, tmp_path: Path) -> None:
    for number in range(5):
        image(tmp_path / f"in/{number}.png", seed=number, size=(40, 30) if number < 3 else (24, 33))
    assert run(tmp_path / "in", tmp_path / "one", "--weights", weights) == 0
    assert run(tmp_path / "in", tmp_path / "two", "--weights", weights, "--batch", "2") == 0
    for file in (tmp_path / "one").glob("*.png"):
        pixels = [np.asarray(Image.open(folder / file.name)).astype(int) for folder in (file.parent, tmp_path / "two")]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1


def test_tiles_are_checked_on_request(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = image(tmp_path / "in.png", size=(200, 150))
    assert run(source, tmp_path / "a.png", "--weights", weights, "--tile", "96", "--check-tiles") == 0
    assert "grey levels at most" in capsys.readouterr().out
    assert run(source, tmp_path / "b.png", "--weights", weights, "--check-tiles") == 0
    assert "restored whole" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --network NAME"),
        (["--network", "tv", "--precision", "fp16"], "'tv' does not compute in fp16: it was seen to work in fp32"),
        (["--network", "clahe", "--tile", "16"], "needs to see the whole image"),
        (["--network", "input", "--max-memory", "1M"], "do not suffice"),
        (["--network", "nowhere:net"], "no module 'nowhere'"),
        (["--network", "nafnet"], "needs weights"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source = image(tmp_path / "in.png")
    assert run(source, tmp_path / "out.png", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(("target", "message"), [("o.bmp", "OUT must end in one of"), ("o", "OUT must end in one of")])
def test_an_unknown_format_is_refused(target: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(image(tmp_path / "in.png"), tmp_path / target, "--network", "input") == 2
    assert message in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", tmp_path / "out", "--network", "input") == 2
    assert "no image" in capsys.readouterr().err
