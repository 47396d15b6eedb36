"""Modules in the working folder that are called like others: no process that this program starts takes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from trials import Tally, counts

from benchmark.engine.children import ROOT, isolated, isolated_module, places
from benchmark.results.provenance import GIT

NAMES = (
    *("pip", "pickle", "socket", "random", "json", "subprocess", "threading", "torch", "numpy", "multiprocessing"),
    *("sitecustomize", "usercustomize", "PIL", "benchmark", "models"),
)

PROGRAM = """\
import sys
sys.path[:] = {places!r}
from benchmark.cli import main
if __name__ == "__main__":
    main()
"""


def stranger(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """Return a folder with modules that leave a mark when they are run."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'marks')!r}, 'a').write({name!r} + '\\n')\n")
    return folder


def marks(folder: Path) -> str:
    file = folder / "marks"
    return file.read_text() if file.exists() else ""


def outside(folder: Path) -> dict[str, str]:
    """Return an environment in which Python looks into the folder."""
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONSTARTUP": str(folder / "json.py")}


@counts(4, len(NAMES))
def test_isolated_children_take_no_module_of_the_working_folder(count: int, tmp_path: Path) -> None:
    code = f"import {', '.join(('pickle', 'socket', 'random', 'json', 'threading', 'numpy', 'PIL'))}; "
    code += "import benchmark, models; print(benchmark.__file__)"
    with Tally("modules of the working folder in isolated children") as tally:
        for name in NAMES[:count]:
            folder = stranger(tmp_path / name, (name,))
            for words in (isolated(code), isolated_module("pip", "--version")):
                done = subprocess.run(
                    words, cwd=folder, env=outside(folder), capture_output=True, text=True, check=False
                )
                held = done.returncode == 0 and not marks(folder)
                tally.case(f"{name} {words[3][-30:]}", held, f"{marks(folder)} {done.stderr[-300:]}")
            where = subprocess.run(isolated(code), cwd=folder, capture_output=True, text=True, check=False).stdout
            assert where.startswith(str(ROOT))


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, as its installed script does: with that script's folder on the path."""
    script = folder.parent / "bin/bench"
    script.parent.mkdir(exist_ok=True)
    script.write_text(PROGRAM.format(places=places()))
    words = [sys.executable, str(script), *(str(argument) for argument in arguments)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


LONG = [pytest.param(case, marks=pytest.mark.long) for case in ("speed in a child", "train in two processes")]


@pytest.mark.parametrize("case", ["build in a pool", *LONG])
def test_commands_take_no_module_of_the_working_folder(case: str, tmp_path: Path) -> None:
    folder = stranger(tmp_path / "cwd")
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.new("RGB", (140, 130), (9 * number, 80, 90)).save(tmp_path / f"photos/{number}.png")
    if case == "speed in a child":
        done = command(folder, "speed", "networks", "--network", "nafnet", "--size", "64x64")
    else:
        options = ("--degradation", "noisy", "--workers", 2, "--out", tmp_path / "data")
        done = command(folder, "build-dataset", "--source", f"custom={tmp_path / 'photos'}", *options)
    if case == "train in two processes":
        small = "arch={width: 4, encoder_blocks: [1], middle_blocks: 1, decoder_blocks: [1]}"
        options = ("--device", "cpu", "--devices", 2, "--strategy", "ddp", "--max-steps", 2, "--out", tmp_path / "run")
        sizes = ("--set", small, "--set", "batch_size=2", "--set", "patch_size=32")
        done = command(folder, "train", "nafnet", "--data", tmp_path / "data", *options, *sizes)
    assert done.returncode == 0, done.stderr
    assert marks(folder) == ""


def test_pools_would_take_them_without_the_switch(tmp_path: Path) -> None:
    # What the switch is for: a pool's process looks into the working folder before it has heard of its parent's places.
    folder = stranger(tmp_path / "cwd", ("pickle",))
    words = [sys.executable, "-c", "from multiprocessing.spawn import spawn_main"]
    without = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    subprocess.run(words, cwd=folder, env=without, capture_output=True, check=False)
    assert marks(folder) == "pickle\n"
    (folder / "marks").unlink()
    subprocess.run(words, cwd=folder, env={**without, "PYTHONSAFEPATH": "1"}, capture_output=True, check=True)
    assert marks(folder) == ""


def test_git_runs_no_program_that_a_repository_names(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/marks\n")
    program.chmod(0o755)

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=False)

    git("init")
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand"):
        git("config", key, str(program))
    (repository / "file").write_text("x")
    git("status", "--porcelain")
    assert (tmp_path / "marks").exists()
    (tmp_path / "marks").unlink()
    git(*GIT, "status", "--porcelain")
    git(*GIT, "rev-parse", "HEAD")
    assert not (tmp_path / "marks").exists()
