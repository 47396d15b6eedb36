"""The birth certificate of a number: which code, command, packages and machine made it, and on which day."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import benchmark

PACKAGES = ("torch", "torchvision", "open_clip_torch", "lpips", "pytorch-fid", "numpy", "scipy", "scikit-image")
"""Packages whose version can move a score."""

PROJECT = Path(benchmark.__file__).resolve().parents[1]

CODE = ("models", "captioning", "benchmark", "pyproject.toml")
"""What counts as code; a run that writes results or datasets into the checkout does not make it "dirty"."""

GIT = ("--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
"""Options by which git runs no program that the settings of a repository name, and writes nothing."""

# An absolute path: a slash (or a drive) at the start of a word, then at least one more character of a name.
_ABSOLUTE = re.compile(r"""(?:(?<=^)|(?<=[\s'"=(\[,:]))(?:/|[A-Za-z]:\\)(?=[^\s/'"])[^\s'",;)\]]*""")


class Birth(TypedDict):
    """The part of every result file that says where its numbers come from."""

    commit: str | None
    command: str
    tool: str
    versions: Mapping[str, str | None]
    hardware: str
    date: str


def birth_certificate(argv: Sequence[str] | None = None) -> Birth:
    """Return the certificate of the running program, free of absolute paths.

    Arguments:
        argv: The arguments after the program's name; those of this process when None.
    """
    return Birth(
        commit=commit(),
        command=command(argv),
        tool=benchmark.__version__,
        versions=versions(),
        hardware=hardware(),
        date=datetime.now(UTC).date().isoformat(),
    )


def commit() -> str | None:
    """Return the git commit of this project, with "+dirty" when its code has uncommitted changes.

    None when git is absent, when there is no commit yet, or when the package is installed outside a checkout: a virtual
    environment inside somebody else's repository must not lend its commit to us.
    """

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *GIT, *arguments],
                cwd=PROJECT,
                # A repository around this project is never looked at, let alone its settings.
                env={**os.environ, "GIT_CEILING_DIRECTORIES": str(PROJECT.parent)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    top = git("rev-parse", "--show-toplevel")
    head = git("rev-parse", "HEAD")
    if not top or not head or Path(top).resolve() != PROJECT:
        return None
    changed = git("status", "--porcelain", "--", *[name for name in CODE if (PROJECT / name).exists()])
    return f"{head}+dirty" if changed else head


def command(argv: Sequence[str] | None = None) -> str:
    """Return the command line as it could be pasted, with absolute paths shortened by `portable`."""
    arguments = sys.argv[1:] if argv is None else argv
    return portable(shlex.join(["bench", *arguments]))


def portable(text: str) -> str:
    """Shorten every absolute path in `text`: relative to the working folder, else to the home folder, else its name."""
    roots = [(root, prefix) for find, prefix in ((Path.cwd, ""), (Path.home, "~/")) if (root := _found(find))]

    def shorten(match: re.Match[str]) -> str:
        path = Path(match.group(0))
        for root, prefix in roots:
            if root != Path("/") and path.is_relative_to(root):
                return prefix + path.relative_to(root).as_posix()
        return _name(match)

    return _ABSOLUTE.sub(shorten, text)


def names_only(text: str) -> str:
    """Shorten every absolute path in `text` to its last name: the same wherever files lie and a command is started."""
    return _ABSOLUTE.sub(_name, text)


def _name(match: re.Match[str]) -> str:
    return re.split(r"[/\\]", match.group(0).rstrip("/\\"))[-1]


def _found(find: Callable[[], Path]) -> Path | None:
    """Return a folder of this process, or None: a working folder may be deleted, and not everybody has a home."""
    try:
        return find()
    except (OSError, RuntimeError):
        return None


def versions() -> dict[str, str | None]:
    """Return the installed version of Python and of each package in `PACKAGES`, None for an absent one."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def hardware() -> str:
    """Return the processor, the cores this process may use and, when torch is loaded and sees one, the accelerator."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{_processor()}, {cores} core{'s' if cores != 1 else ''}"
    torch = sys.modules.get("torch")  # asking must not cost the import
    if torch is not None and torch.cuda.is_available():
        text += f", {torch.cuda.get_device_name()}"
    return text


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
