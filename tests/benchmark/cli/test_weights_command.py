"""`bench weights`: what it prints, and that a hostile or broken file ends in one sentence with nothing done."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.cli import main
from models.files import sha256_file
from models.networks.build import build

ARCH = {"width": 8, "multipliers": (2, 4)}


def run(*arguments: object) -> int:
    """Run the command; return its exit status."""
    try:
        main(["weights", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A checkpoint as the U-Nets' authors save it."""
    torch.manual_seed(0)
    torch.save(build("ir-sde", ARCH).state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


class Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, self.arguments


def hostile(kind: str, canary: Path) -> Any:
    """Return something that writes the canary when it is unpickled."""
    command = f"open({str(canary)!r}, 'w').write('x')"
    bomb = {
        "system": Call(os.system, f"touch {canary}"),
        "eval": Call(builtins.eval, command),
        "exec": Call(builtins.exec, command),
        "run": Call(subprocess.check_call, ["touch", str(canary)]),
        "pickle": Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {canary}"))),
        "getattr": Call(builtins.getattr, Call(builtins.__import__, "os"), "system"),
    }
    return bomb[kind]


@pytest.mark.parametrize("kind", ["system", "eval", "exec", "run", "pickle", "getattr"])
@pytest.mark.parametrize("place", ["top", "beside", "deep", "key"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_code_in_a_checkpoint_is_refused_and_not_run(
    kind: str, place: str, legacy: bool, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary, path = tmp_path / "canary", tmp_path / "evil.pth"
    bomb = hostile(kind, canary)
    state = {"init_conv.weight": torch.ones(2, 6, 7, 7)}
    content: dict[str, Any] = {
        "top": bomb,
        "beside": {"state_dict": state, "optimizer": bomb},
        "deep": {"state_dict": state, "optimizer": {"param_groups": [{"lr": (1.0, [bomb])}]}},
        "key": {"state_dict": state, "more": {bomb: 1}},
    }
    torch.save(content[place], path, _use_new_zipfile_serialization=not legacy)
    out = [tmp_path / "out.safetensors"] if command == "convert" else []
    assert run(command, path, *out) == 2
    said = capsys.readouterr().err.splitlines()
    assert "pickled code and was not loaded" in said[-1]
    assert str(path) in said[-1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.pth"]


def test_the_hostile_files_of_these_tests_do_write_the_canary_when_loaded_carelessly(tmp_path: Path) -> None:
    for kind in ("system", "eval", "exec", "run", "pickle"):
        canary = tmp_path / kind
        pickle.loads(pickle.dumps(hostile(kind, canary)))
        assert canary.exists(), kind


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("command", ["convert", "inspect", "export"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a"),
        (b"\n<!DOCTYPE html><html>404</html>", "is a web page, not weights: download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of a large file"),
        (b'{"error": "Entry not found"}', "is a text file, not weights"),
        (b"PK\x03\x04" + bytes(300), "not a"),
        (bytes(range(256)) * 8, "not a"),
    ],
)
def test_what_is_no_checkpoint_ends_in_one_sentence(
    name: str, command: str, content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    out = {"convert": [tmp_path / "out.safetensors"], "export": [tmp_path / "out.pth"]}.get(command, [])
    assert run(command, path, *out) == 2
    said = capsys.readouterr().err
    assert message in said
    assert str(path) in said
    assert "Traceback" not in said
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98, 0.9999])
def test_a_truncated_download_ends_in_one_sentence(
    part: float, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    converted = network.with_name("net.safetensors")
    assert run("convert", network, converted) == 0
    for path in (network, converted):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        capsys.readouterr()
        assert run("inspect", path) == 2
        assert str(path) in capsys.readouterr().err


def test_conversion_and_inspection_say_what_is_there(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = network.with_name("net.safetensors")
    assert run("convert", network, out) == 0
    said = capsys.readouterr().out
    assert "--network ir-sde" in said
    assert "written" in said
    assert run("convert", network, out) == 0
    assert "is there already" in capsys.readouterr().out

    assert run("inspect", network, "--json") == 0
    raw = json.loads(capsys.readouterr().out)
    assert run("inspect", out, "--json") == 0
    ours = json.loads(capsys.readouterr().out)
    parameters = sum(p.numel() for p in build("ir-sde", ARCH).parameters())
    assert raw["parameters"] == ours["parameters"] == parameters
    assert raw["sha256"] == sha256_file(network) == ours["provenance"]["source"]["sha256"]
    assert raw["loads as"] == ours["loads as"]
    assert '"max_sigma": 10.0' in raw["loads as"]
    assert "no file whose digest is known" in raw["released"]

    assert run("export", out, network.with_name("back.pth")) == 0
    assert f"{raw['tensors']} names" in capsys.readouterr().out


def test_an_unknown_network_can_be_inspected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"params": {"body.0.weight": torch.ones(3, 4, dtype=torch.float16)}, "iter": 7}, tmp_path / "x.pth")
    assert run("inspect", tmp_path / "x.pth") == 0
    said = capsys.readouterr().out
    assert "parameters:  12" in said
    assert '{"float16": 1}' in said
    assert '{"iter": 7}' in said
    assert "names are of no network that this program knows" in said


def test_the_group_is_listed_without_importing_torch() -> None:
    code = (
        "import sys\nfrom benchmark.cli import main\n"
        "try:\n    main(['weights', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("convert", "inspect", "export"))
