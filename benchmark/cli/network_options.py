"""The options of commands that take several networks: runs, or networks with their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--runs", type=click.Path(path_type=Path), help="Folder of run folders; every finished one is evaluated."
    ),
    click.option(
        "--network",
        "networks",
        multiple=True,
        metavar="NETWORK",
        help="A network, with --weights; also package.module:factory, or spandrel. May be given several times.",
    ),
    click.option(
        "--weights",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Weights file or run of --network, in the same order; none for a network without weights.",
    ),
    click.option(
        "--daclip", type=click.Path(path_type=Path), help="DA-CLIP of --network, when its metadata name none."
    ),
)


def network_options(command: F) -> F:
    """Give a command the options above; it receives `runs`, `networks`, `weights` and `daclip`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
