"""The command line in processes of its own, for what only a process can show: signals, pipes, limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START = [sys.executable, "-c", "from benchmark.cli import main; main()"]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process' environment with changes; the code under test is found from every working folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **(changes or {})}


def hear_interrupts() -> None:
    """Let a process hear SIGINT, in the process before it starts: what a shell puts into the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def begin(*arguments: object, cwd: Path = ROOT, **more: Any) -> subprocess.Popen[str]:
    """Start a command at the head of a process group of its own."""
    command = [*START, *(str(argument) for argument in arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": hear_interrupts, **more}
    return subprocess.Popen(command, cwd=cwd, env=environment(), text=True, start_new_session=True, **pipes)


def run(
    *arguments: object,
    cwd: Path = ROOT,
    changes: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `before` is called in its process before it starts."""
    command = [*START, *(str(argument) for argument in arguments)]
    env = environment(changes)
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=seconds,
        preexec_fn=before,
        check=False,
        errors="surrogateescape",
    )


def group_members(group: int) -> list[int]:
    """Return the living processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, rest = (entry / "stat").read_text().rpartition(")")[2].strip().partition(" ")
            except OSError:
                continue
            if state != "Z" and int(rest.split()[1]) == group:
                found.append(int(entry.name))
    return found
