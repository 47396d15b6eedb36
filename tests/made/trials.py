"""Trials: hostile cases tried one by one, counted, and told where the program did not hold."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.cli import main
from models.markdown import table

COUNTS = os.environ.get("BENCH_TRIALS")
"""A file to which every trial adds a line with what was tried and held, where it is set."""


def counts(sample: int, full: int) -> Any:
    """Parametrise a test by `count`: a sample in every run, all of it among the `long` ones."""
    return pytest.mark.parametrize("count", [sample, pytest.param(full, marks=pytest.mark.long)])


@dataclass
class Tally:
    """What was tried, and where the program did not hold; leaving its block fails the test if there is any.

    Arguments:
        name: Of the trial, as it stands in the table of trials.
        tried: How many cases there were.
        failed: What happened in each case that did not hold.
    """

    name: str
    tried: int = 0
    failed: list[str] = field(default_factory=list)

    def case(self, name: str, held: bool, what: str = "") -> None:
        """Count one case."""
        self.tried += 1
        if not held:
            self.failed.append(f"{name}: {what}")

    def __enter__(self) -> Tally:
        return self

    def __exit__(self, kind: Any, value: Any, where: Any) -> None:
        if kind is not None:
            return
        held = self.tried - len(self.failed)
        if COUNTS:
            with open(COUNTS, "a", encoding="utf-8") as file:
                file.write(json.dumps({"trial": self.name, "tried": self.tried, "held": held}) + "\n")
        assert self.tried, f"{self.name}: nothing was tried"
        assert not self.failed, f"{self.name}: {held} of {self.tried} held\n" + "\n".join(self.failed[:20])


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Arguments:
        code: Its exit status; None when it raised, as no command may.
        out: What it printed.
        err: What it said, or the traceback.
    """

    code: int | None
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether it ended as it should on bad input: status 2, and a sentence without a traceback."""
        return self.code == 2 and bool(self.err.strip()) and "Traceback" not in self.err


def bench(*arguments: object) -> Ended:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: int | None = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        except BaseException:
            code = None
            err.write(traceback.format_exc())
    return Ended(code, out.getvalue(), err.getvalue())


def flips(data: bytes, count: int, *, seed: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield a file's bytes with one bit changed, at places drawn evenly over all of it."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        place = int(generator.integers(len(data) * number // count, max(1, len(data) * (number + 1) // count)))
        changed = bytearray(data)
        changed[place] ^= 1 << int(generator.integers(8))
        yield place, bytes(changed)


def try_flips(tally: Tally, path: Path, count: int, attempt: Callable[[], Any], *, clean: Any, seed: int = 0) -> None:
    """Flip bits of a file one at a time: each attempt gives what it gives on the whole file, or is refused.

    Arguments:
        tally: Counts the cases.
        path: The file; it is whole again afterwards.
        count: How many flips.
        attempt: Uses the file and returns what follows from it; raises `UserError` to refuse, or returns an `Ended`
            that is refused. Whatever it changes on disk it must put back itself.
        clean: What it returns on the whole file.
        seed: Of the places.
    """
    from models.errors import UserError

    whole = path.read_bytes()
    try:
        for place, changed in flips(whole, count, seed=seed):
            path.write_bytes(changed)
            try:
                found = attempt()
            except UserError as error:
                tally.case(f"{path.name} byte {place}", bool(str(error)), "no sentence")
                continue
            except Exception:
                tally.case(f"{path.name} byte {place}", False, traceback.format_exc(limit=-3))
                continue
            refused = isinstance(found, Ended) and found.refused
            tally.case(f"{path.name} byte {place}", refused or found == clean, f"silently gave {str(found)[:200]}")
    finally:
        path.write_bytes(whole)


class Hung(BaseException):
    """A case took longer than any may."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `Hung` when the block takes longer."""

    def stop(number: int, frame: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Canary:
    """A module that no file may bring to life: importing it leaves a mark.

    Arguments:
        folder: Where the module `canary` lies; put it on `sys.path`, or make it the working folder.
    """

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "canary-was-here"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "canary.py").write_text(
            f"open({str(self.mark)!r}, 'a').write('imported\\n')\n"
            f"def load(*a, **k):\n    open({str(self.mark)!r}, 'a').write('called\\n')\n"
        )

    @property
    def alive(self) -> bool:
        """Whether it was imported or called."""
        return self.mark.exists()


def counts_table(file: Path) -> str:
    """Return the table of trials from a file of counts, in the order of the alphabet."""
    found: dict[str, list[int]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        row = found.setdefault(told["trial"], [0, 0])
        row[0] += told["tried"]
        row[1] += told["held"]
    total = [sum(row[place] for row in found.values()) for place in (0, 1)]
    rows = [[name, str(tried), str(held)] for name, (tried, held) in sorted(found.items())]
    rows.append(["**all**", f"**{total[0]}**", f"**{total[1]}**"])
    return table(["trial", "tried", "held"], rows, numeric=[False, True, True])


if __name__ == "__main__":
    print(counts_table(Path(sys.argv[1])))
