"""Output that nobody takes: closed pipes, closed streams, a full disk behind them."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from processes import ROOT, START, environment
from trials import Tally, counts

COMMANDS = (
    "list networks",
    "list sources --json",
    "list protocols",
    "--help",
    "train --help",
    "leaderboard --table 3",
    "leaderboard --table protocol-gap",
    "verify /nowhere",
    "no-such-command",
    "weights list --json",
)

WAYS = (
    ("{} | true", {141}),  # what prints nothing on stdout ends as it would
    ("{} 2>&1 | true", {141}),
    ("{} >&-", {0}),
    ("{} 2>&-", {0}),
    ("{} <&-", {0}),
    ("{} >/dev/full", {2}),
)
"""A way to run a command, and how those end that print on stdout."""
PRINTS_NOTHING = ("verify /nowhere", "no-such-command")


def shell(way: str, command: str) -> tuple[int, str]:
    """Run a command in bash; return its status, the first one in a pipeline, and what it said on stderr."""
    line = way.format(shlex.join(START) + " " + command)
    # The reader has ended before the command prints, which takes the interpreter's start.
    done = subprocess.run(
        ["bash", "-c", f"{line}\nexit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@counts(6, 60)
def test_output_that_nobody_takes_ends_a_command_with_a_status_of_its_own(count: int) -> None:
    cases = [(command, way) for command in COMMANDS for way in WAYS]
    with Tally("closed pipes and streams") as tally:
        for command, (way, expected) in cases[:: max(1, len(cases) // count)][:count]:
            status, said = shell(way, command)
            if command in PRINTS_NOTHING:
                expected = {2, 141} if "2>&1 | true" in way else {2}
            held = status in expected and "Traceback" not in said and "Exception ignored" not in said
            tally.case(way.format(command), held, f"{status}: {said[-300:]}")


def test_a_reader_that_leaves_in_the_middle_ends_a_command_with_141() -> None:
    status, said = shell("{} | head -1", "list sources --json")
    assert status in (0, 141)  # 0 when all of it went into the pipe before
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*START, "list", "networks"], cwd=ROOT, env=environment(), stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr, said) == (141, b"", "")


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    page = tmp_path / "boards"
    status, said = shell("{} >&- 2>&-", f"leaderboard --leaderboards {page}")
    assert (status, said) == (0, "")
    assert (page / "README.md").read_text(encoding="utf-8").startswith("<!-- Generated")


@pytest.mark.parametrize("changes", [{"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"COLUMNS": "1", "TERM": ""}])
def test_terminals_of_few_letters_and_columns_are_served(changes: dict[str, str]) -> None:
    done = subprocess.run(
        [*START, "verify", "/nowhere/ö\u202e\x1b[31m"],
        cwd=ROOT,
        env=environment({**changes, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"\\x1b[31m" in done.stderr
    assert b"\x1b" not in done.stderr
    assert b"Traceback" not in done.stderr
