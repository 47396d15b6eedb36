"""The rooms of the house: who may import whom, and what the command line must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"models": {"captioning", "benchmark"}, "captioning": {"benchmark"}}


def imported(file: Path) -> set[str]:
    """Return the top-level packages that a file imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = list((ROOT / room).rglob("*.py"))
    assert len(files) > 5
    for file in files:
        assert not imported(file) & FORBIDDEN[room], file


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["eval", "--help"],
        *[["list", kind] for kind in ("networks", "tables", "recipes")],
    ],
    ids=" ".join,
)
def test_help_and_lists_import_neither_torch_nor_transformers(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom benchmark.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'torch', 'transformers', 'open_clip', 'datasets'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_takes_less_than_four_tenths_of_a_second() -> None:
    command = [sys.executable, "-c", "from benchmark.cli import main; main(['--help'])"]
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    # The best of five: the machine may be busy with other tests.
    assert min(times) < 0.4, times
