"""Interrupts at any moment: one sentence, 130 or 143, an end within two seconds, nobody left behind, and a rerun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from processes import begin, environment, group_members, hear_interrupts, run
from small_datasets import small_dataset, write_captions
from trees import tree_digest
from trials import Tally, counts

from models.images.pixels import encode_png

SECONDS = 2.0
"""A command has ended so long after an interrupt; the rest is for a busy machine."""
BUSY = 1.5


@dataclass(frozen=True)
class Interrupt:
    """What comes: a signal, to the process alone as `kill` sends it, or to its group as Ctrl-C does."""

    number: signal.Signals
    group: bool = False

    def send(self, pid: int) -> None:
        """Send it."""
        (os.killpg if self.group else os.kill)(pid, self.number)


WAYS = (Interrupt(signal.SIGINT), Interrupt(signal.SIGINT, group=True), Interrupt(signal.SIGTERM))


def interrupt(words: Sequence[object], after: float, way: Interrupt) -> tuple[int, str, float, list[int]]:
    """Start a command and interrupt it; return its status, what it said, how long it took to end, and who is left."""
    process = begin(*words)
    try:
        # Until a command has begun, an interrupt is Python's own; SIGTERM is caught by nobody else.
        while process.poll() is None and not caught(process.pid) >> (signal.SIGTERM - 1) & 1:
            time.sleep(0.01)
        time.sleep(after)
        sent = time.monotonic()
        if process.poll() is None:
            way.send(process.pid)
        said = process.communicate(timeout=60)[1]
        took = time.monotonic() - sent
        time.sleep(0.3)  # the resource tracker of multiprocessing ends after its parent
        return process.returncode, said, took, group_members(process.pid)
    finally:
        for pid in group_members(process.pid):
            os.kill(pid, signal.SIGKILL)


def caught(pid: int) -> int:
    """Return the signals that a process catches, a bit each; none when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0"), 16)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of images that take a build some seconds."""
    folder = tmp_path_factory.mktemp("interrupted") / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(24):
        pixels = generator.integers(0, 256, (160, 200, 3)).astype(np.uint8)
        (folder / f"{number:02d}.png").write_bytes(encode_png(pixels))
    return folder


def building(photos: Path, out: Path) -> list[object]:
    spec = ["--spec", "rain() | jpeg(quality=30)", "--degradation", "mixed"]
    return ["build-dataset", "--source", f"custom={photos}", *spec, "--out", out, "--workers", "2"]


@counts(1, 15)
def test_an_interrupted_build_ends_at_once_leaves_nobody_and_continues(
    photos: Path, tmp_path: Path, count: int
) -> None:
    started = time.monotonic()
    assert run(*building(photos, tmp_path / "whole")).returncode == 0
    whole, took = tree_digest(tmp_path / "whole"), time.monotonic() - started
    with Tally("builds interrupted at any moment") as tally:
        for number in range(count):
            out, way = tmp_path / f"out-{number}", WAYS[(number + 1) % len(WAYS)]
            moment = took * (number + 0.5) / count
            status, said, ended, left = interrupt(building(photos, out), moment, way)
            fine = status in (0, 128 + way.number) and ended < SECONDS + BUSY and not left
            fine = fine and "Traceback" not in said and (status == 0 or "run the same command again" in said)
            tally.case(f"{way} after {moment:.1f} s", fine, f"{status} after {ended:.1f} s, left {left}: {said[-300:]}")
            again = run(*building(photos, out))
            tally.case(f"rerun {number}", again.returncode == 0 and tree_digest(out) == whole, again.stderr[-300:])


@pytest.mark.long
def test_any_command_interrupted_at_any_moment_ends_at_once_and_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data", rows=6)
    write_captions(data)
    boards, exported, scored = tmp_path / "boards", tmp_path / "exported", tmp_path / "scored"
    commands: dict[str, list[object]] = {
        "export": ["export", data, exported, "--layout", "universal"],
        "eval": ["eval", "--data", data, "--network", "input", "--protocol", "modern", "--leaderboards", scored],
        "leaderboard": ["leaderboard", "--leaderboards", boards],
        "verify": ["verify", data, "--report", tmp_path / "report"],
        "list": ["list", "networks"],
    }
    with Tally("commands interrupted at any moment") as tally:
        for name, words in commands.items():
            for number in range(6):
                way = WAYS[number % len(WAYS)]
                status, said, ended, left = interrupt(words, 0.1 + 0.7 * number, way)
                fine = status in (0, 128 + way.number) or (name == "eval" and status == 2)
                fine = fine and ended < SECONDS + BUSY and not left and "Traceback" not in said
                tally.case(f"{name} {way}", fine, f"{status} after {ended:.1f} s, left {left}: {said[-300:]}")
        run(*commands["leaderboard"])
        parts = [path.name for path in tmp_path.rglob("*.partial")]
        tally.case("parts of files", not parts, str(parts))


def test_a_second_interrupt_ends_a_command_that_does_not_listen(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom benchmark.cli import endings\n"
        "with endings.signals(process=False):\n"
        "    try:\n        print('ready', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt:\n        print('deaf', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
        preexec_fn=hear_interrupts,  # noqa: PLW1509
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "deaf\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    process.stdout.close()


def test_a_command_that_does_not_end_by_itself_is_ended() -> None:
    code = (
        "import time\nfrom benchmark.cli import endings\n"
        "with endings.signals(process=True):\n"
        "    while True:\n"
        "        try:\n            print('ready', flush=True); time.sleep(60)\n"
        "        except KeyboardInterrupt:\n            pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=10)[1]
    assert (process.returncode, time.monotonic() - sent < 4) == (143, True)
    assert said == "bench: interrupted: run the same command again to continue\n"
