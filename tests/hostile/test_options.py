"""Options nobody would give: every option of every command with values that are none."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from processes import run
from trials import Hung, Tally, bench, counts, within

from benchmark.cli import COMMANDS
from benchmark.cli import bench as group

VALUES = (
    *("", " ", "--", "-1", "0", "-0", "nan", "inf", "-inf", "1e999", "1e999G", "0x10", "1_000", "1" + "0" * 400),
    *("9" * 5000, "9223372036854775808", "1.5", "true", "null", "[]", "{}", "a" * 5000, "a/" * 3000),
    *(
        "\0",
        "a\0b",
        "../..",
        "/",
        ".",
        "..",
        "~nobody/x",
        "~",
        "/dev/null",
        "/dev/zero",
        "/proc/self/mem",
        "/proc/1/root",
    ),
    *(
        "$(touch x)",
        "; touch x",
        "%s%n",
        "{0}",
        "*",
        "\x1b[31m",
        "\u202ex",
        "\udcff",
        "ß",
        "🙂",
        "=",
        "a=b",
        "a=",
        "=b",
    ),
    *("http://127.0.0.1:1/x", "builtins:breakpoint", "os:system", "a.b:c", "file:///etc/passwd"),
)
LONG = 20.0
"""Seconds that no refusal takes."""
ELSEWHERE = {("demo",), ("speed",)}
"""Commands without input of their own: they begin to work whatever else is said, which is tried by their own tests."""


def parameters() -> Iterator[tuple[tuple[str, ...], click.Command, click.Parameter]]:
    """Yield every parameter of every command."""

    def walk(words: tuple[str, ...], command: click.Command) -> Iterator[Any]:
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                found = command.get_command(click.Context(command), name)
                assert found is not None
                yield from walk((*words, name), found)
            return
        for parameter in command.params:
            yield words, command, parameter

    for name in COMMANDS:
        if (name,) not in ELSEWHERE:
            command = group.get_command(click.Context(group), name)
            assert command is not None
            yield from walk((name,), command)


def line(words: tuple[str, ...], command: click.Command, chosen: click.Parameter, value: str) -> list[str]:
    """Return a command line: one parameter has a hostile value, the others that are needed name nothing."""
    arguments = list(words)
    for parameter in command.params:
        mine = parameter is chosen
        if isinstance(parameter, click.Argument):
            arguments.append(value if mine else "nothing-here")
        elif mine and isinstance(parameter, click.Option) and not parameter.is_flag:
            arguments += [f"{parameter.opts[0]}={value}"]
        elif mine:
            arguments.append(f"{parameter.opts[0]}={value}")
        elif parameter.required:
            arguments += [parameter.opts[0], "nothing-there"]
    return arguments


@counts(12, 420)
def test_no_value_of_an_option_gives_a_traceback_or_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    here = tmp_path / "somewhere" / "deep"  # where nothing of other tests is one folder up
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    cases = [(*place, value) for place in parameters() for value in VALUES]
    generator = random.Random(3)
    with Tally("hostile values of options") as tally:
        for words, command, parameter, value in generator.sample(cases, count):
            arguments = line(words, command, parameter, value)
            started = time.monotonic()
            try:
                with within(LONG):
                    ended = bench(*arguments)
            except Hung:
                tally.case(str(arguments)[:200], False, "it hangs")
                continue
            fine = ended.code in (0, 1, 2) and "Traceback" not in ended.err
            fine = fine and (ended.code == 0 or bool(ended.err.strip() or ended.out.strip()))
            tally.case(
                str(arguments)[:200], fine, f"{ended.code} {time.monotonic() - started:.1f} s {ended.err[-900:]}"
            )
        assert not (tmp_path / "x").exists()
    assert not multiprocessing.active_children()


def test_arguments_with_nul_are_told(tmp_path: Path) -> None:
    ended = bench("verify", "a\0b")
    assert ended.refused
    assert "NUL" in ended.err


@pytest.mark.parametrize(
    "changes",
    [{"HOME": ""}, {"HOME": "/nowhere"}, {"TERM": ""}, {"COLUMNS": "1"}, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}],
    ids=str,
)
def test_environments_that_lack_something_do(changes: dict[str, str], tmp_path: Path) -> None:
    for words in (["list", "metrics"], ["leaderboard", "--leaderboards", tmp_path / "böards"], ["weights", "list"]):
        done = run(*words, changes=changes)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_working_folder_that_is_gone_is_no_obstacle(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run("list", "metrics", cwd=gone, before=gone.rmdir)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    gone.mkdir()
    done = run("verify", "data", cwd=gone, before=gone.rmdir)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr


def test_a_pipe_that_nobody_fills_is_told_or_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with within(LONG):
        assert bench("verify", pipe).refused
        assert bench("export", pipe, tmp_path / "out", "--layout", "universal").refused
