"""The rooms of the house: who may import whom, and what the command line must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "captioning", "benchmark")
"""Each may import those before it."""

ROOMS = {
    "models": "errors files catalogue vocabulary markdown images diffusion networks weights daclip releases recipes "
    "inference training",
    "captioning": "text titles tables captioners plan stream sets run quality",
    "benchmark": "engine downloads metrics results dataset degradations restoring export training sources publish "
    "evaluation tables captions building report verify speed cli",
}
"""The rooms of each package. A room may import those before it, so that there is no circle."""

STAGES = ("building", "captions", "evaluation", "export", "restoring", "training", "verify")
"""Rooms of a stage of the work, whose way in is `run.py`."""


def imported(file: Path) -> set[str]:
    """Return the modules that a file imports anywhere in it, in dotted form."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def against_the_order(package: str, root: Path = ROOT) -> list[str]:
    """Return the imports of a package that lead to a later package or a later room."""
    rooms = ROOMS[package].split()
    later = PACKAGES[PACKAGES.index(package) + 1 :]
    wrong = []
    for file in sorted((root / package).rglob("*.py")):
        room = file.relative_to(root / package).with_suffix("").parts[0]
        for name in sorted(imported(file)):
            top, _, rest = name.partition(".")
            there = rest.partition(".")[0]
            if top in later or (
                top == package and room in rooms and there in rooms and rooms.index(there) > rooms.index(room)
            ):
                wrong.append(f"{file.relative_to(root)} imports {name}")
    return wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_imports_only_rooms_before_it(package: str) -> None:
    assert not against_the_order(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_import_against_the_order_is_found(package: str, tmp_path: Path) -> None:
    first, last = ROOMS[package].split()[0], ROOMS[package].split()[-1]
    (tmp_path / package / first).mkdir(parents=True)
    (tmp_path / package / first / "x.py").write_text(f"def f():\n    from {package}.{last} import y\n")
    assert against_the_order(package, tmp_path) == [f"{package}/{first}/x.py imports {package}.{last}.y"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_exists_and_no_other(package: str) -> None:
    there = {path.stem for path in (ROOT / package).iterdir() if path.is_dir() or path.suffix == ".py"}
    assert there - {"__init__", "__pycache__"} == set(ROOMS[package].split())


def test_the_stages_of_the_work_are_rooms_with_one_way_in() -> None:
    assert [path.name for path in (ROOT / "benchmark").glob("*.py")] == ["__init__.py"]
    for stage in STAGES:
        assert (ROOT / "benchmark" / stage / "run.py").is_file(), stage


def test_every_test_lies_in_the_room_of_what_it_tests() -> None:
    for package in ("benchmark", "models"):
        for file in (ROOT / "tests" / package).rglob("test_*.py"):
            parts = file.relative_to(ROOT / "tests" / package).parts
            assert parts[0] in ROOMS[package].split() or parts[0] == "test_files.py", file


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


def test_a_file_holds_one_idea_and_no_more_lines_than_fit() -> None:
    files = [file for package in (*PACKAGES, "tests") for file in (ROOT / package).rglob("*.py")]
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert not [f"{file.relative_to(ROOT)}: {lines}" for file, lines in lengths.items() if lines > 300]
    assert 70 <= sorted(lines for lines in lengths.values() if lines > 5)[len(files) // 2] <= 200
