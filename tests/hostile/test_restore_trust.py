"""`bench restore` on bad numbers, changed code, damaged ledgers, links, devices: nothing silent, nothing elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from trials import bench

from benchmark.restoring.files import LEDGER, Ledger, announced
from models.networks.build import build

BROKEN = """\
import torch

class Broken(torch.nn.Module):
    def forward(self, image):
        # Images whose first pixel is dark become what the case says.
        dark = (image[:, :1, :1, :1] < 0.1).expand_as(image)
        return torch.where(dark, torch.full_like(image, float(%r)), image)
"""


def picture(path: Path, *, first: int = 255, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    pixels[0, 0] = first
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder whose modules are forgotten afterwards."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (folder / f"{name}.py").write_text(text)
    monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_an_image_that_became_no_numbers_is_not_written(
    value: str, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"broken_{value.strip('-')}_{value.startswith('-'):d}"
    module(own, name, BROKEN % value, monkeypatch)
    for number in range(4):
        picture(tmp_path / f"in/{number}.png", first=0 if number == 2 else 255, seed=number)
    ended = bench("restore", tmp_path / "in", tmp_path / "out", "--network", f"{name}:Broken", "--batch", 2)
    assert ended.code == 1
    assert "3 restored" in ended.out
    assert "2.png: the network" in ended.err
    assert "not finite (NaN or infinity)" in ended.err
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [LEDGER, "0.png", "1.png", "3.png"]
    assert "2.png" not in (tmp_path / "out" / LEDGER).read_text()
    alone = bench("restore", tmp_path / "in/2.png", tmp_path / "one.png", "--network", f"{name}:Broken")
    assert alone.refused
    assert not (tmp_path / "one.png").exists()


def test_other_code_of_an_own_network_restores_anew(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import torch\nfrom {helper} import factor\nclass Net(torch.nn.Module):\n    def forward(self, x):\n"
    picture(tmp_path / "in/a.png")
    again = ("restore", tmp_path / "in", tmp_path / "out", "--network", "own_net:Net")
    module(own, "own_helper", "factor = 0.5\n", monkeypatch)
    module(own, "own_net", text.format(helper="own_helper") + "        return x * factor\n", monkeypatch)
    assert "1 restored" in bench(*again).out
    first = (tmp_path / "out/a.png").read_bytes()
    assert "0 restored" in (ended := bench(*again)).out
    assert "1 were there already" in ended.out
    module(own, "own_net", (own / "own_net.py").read_text(), monkeypatch)
    module(own, "own_helper", "factor = 0.25  # of another length\n", monkeypatch)
    assert "1 restored" in bench(*again).out
    assert (tmp_path / "out/a.png").read_bytes() != first


def test_memory_and_tile_are_part_of_what_is_known(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("nafnet", {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)})
    torch.save({"params": network.state_dict()}, tmp_path / "net.pth")
    picture(tmp_path / "in/a.png")
    again = ("restore", tmp_path / "in", tmp_path / "out", "--network", "nafnet", "--weights", tmp_path / "net.pth")
    assert "1 restored" in bench(*again).out
    for options in (["--max-memory", "64G"], ["--tile", "48"]):
        ended = bench(*again, *options)
        assert "1 restored" in ended.out, options
        assert "0 restored" in bench(*again, *options).out, options


def test_a_damaged_line_is_told_and_a_torn_one_is_normal(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"in/{number}.png", seed=number)
    again = ("restore", tmp_path / "in", tmp_path / "out", "--network", "input")
    assert bench(*again).code == 0
    ledger = tmp_path / "out" / LEDGER
    lines = ledger.read_text().splitlines()
    assert all("seal" in json.loads(line) for line in lines)
    ledger.write_text("\n".join([*lines, '{"file": "torn']))
    assert LEDGER not in bench(*again).err
    ledger.write_text("\n".join([lines[0], lines[1].replace('"from": "', '"from": "0', 1), lines[2], ""]))
    ended = bench(*again)
    assert ended.code == 1
    assert "line 2 was changed after being written" in ended.err
    assert "1.png is there already and was not written here" in ended.err
    assert "2 were there already" in ended.out
    assert bench(*again, "--overwrite").code == 0


def test_lines_of_earlier_versions_are_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, {"a": 1})
    ledger.add(tmp_path / "x.png", b"from", b"written")
    (tmp_path / "x.png").write_bytes(b"written")
    entry = json.loads((tmp_path / LEDGER).read_text())
    del entry["seal"]
    (tmp_path / LEDGER).write_text(json.dumps(entry) + "\n")
    assert Ledger(tmp_path, {"a": 1}).knows(tmp_path / "x.png", b"from")
    (tmp_path / LEDGER).write_text(json.dumps(entry | {"sea1": "0"}) + "\n")
    told: list[str] = []
    Ledger(tmp_path, {"a": 1}, tell=told.append)
    assert len(told) == 1


def test_a_line_that_a_kill_has_torn_is_removed_before_the_next(tmp_path: Path) -> None:
    Ledger(tmp_path, {}).add(tmp_path / "x.png", b"from", b"written")
    whole = (tmp_path / LEDGER).read_bytes()
    for end in range(1, len(whole), 7):
        (tmp_path / LEDGER).write_bytes(whole + whole[:end])
        Ledger(tmp_path, {}).add(tmp_path / "y.png", b"from", b"written")
        told: list[str] = []
        Ledger(tmp_path, {}, tell=told.append)
        assert not told, end


@pytest.mark.parametrize("kind", ["link to a file", "link to nowhere", "folder", "pipe"])
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize("place", ["a.png", LEDGER])
def test_what_is_no_file_is_neither_followed_nor_replaced(
    kind: str, overwrite: list[str], place: str, tmp_path: Path
) -> None:
    picture(tmp_path / "in/a.png")
    (tmp_path / "out").mkdir()
    target, victim = tmp_path / "out" / place, tmp_path / "victim"
    victim.write_text("precious")
    if kind == "folder":
        target.mkdir()
    elif kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to(victim if kind == "link to a file" else tmp_path / "nowhere")
    ended = bench("restore", tmp_path / "in", tmp_path / "out", "--network", "input", *overwrite)
    assert ended.refused
    assert "where a file would be written" in ended.err
    assert victim.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
    assert [file.name for file in (tmp_path / "out").iterdir()] == [place]


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/stdin", "/proc/kcore", "/proc/self/mem", "/proc/cpuinfo", "pipe"])
def test_devices_pipes_and_files_of_the_kernel_end_in_a_sentence(place: str, tmp_path: Path) -> None:
    if place == "pipe":
        os.mkfifo(tmp_path / "pipe")
        place = str(tmp_path / "pipe")
    assert bench("restore", place, tmp_path / "o.png", "--network", "input").refused
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").symlink_to(place)
    assert bench("restore", tmp_path / "in", tmp_path / "out", "--network", "input").refused


def test_a_second_process_is_told_and_both_go_on(tmp_path: Path) -> None:
    told: list[str] = []
    with announced(tmp_path, tell=told.append):
        assert not told
        first, second = Ledger(tmp_path, {}), Ledger(tmp_path, {})
        with announced(tmp_path, tell=told.append):
            assert "another process restores into" in told[0]
            second.add(tmp_path / "a.png", b"from", b"written")
            (tmp_path / "a.png").write_bytes(b"written")
        assert first.knows(tmp_path / "a.png", b"from")
    with announced(tmp_path, tell=told.append):
        assert len(told) == 1
