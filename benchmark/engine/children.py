"""Python processes that this program starts: isolated, so that no module of the working folder stands for another."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import benchmark

ROOT = Path(benchmark.__file__).resolve().parents[1]


def isolated(code: str, *arguments: str) -> list[str]:
    """Return the command that runs Python code in a process of its own.

    The process looks for modules where this one does, beginning with this very package, but never in the working
    folder (unless that is where the package lies), and takes no notice of Python's environment variables: a `torch.py`
    or `sitecustomize.py` that happens to lie there is not run.

    Arguments:
        code: What it runs; it finds the arguments in `sys.argv[1:]`.
        arguments: Handed on.
    """
    return [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {places()!r}; {code}", *arguments]


def isolated_module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of Python as a program, in a process such as `isolated` describes."""
    code = f"import runpy; sys.argv[0] = {name!r}; runpy.run_module({name!r}, run_name='__main__', alter_sys=True)"
    return isolated(code, *arguments)


def keep_children_from_here() -> None:
    """Let Python processes that libraries start (pools, launchers) look for no module in the working folder either."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")


def places() -> list[str]:
    """Return where a child looks for modules."""
    here = os.path.realpath(os.getcwd())
    found = [str(ROOT)]
    for place in sys.path:
        if os.path.isabs(place) and place not in found and os.path.realpath(place) != here:
            found.append(place)
    return found
