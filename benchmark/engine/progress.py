"""One progress bar for all long work: done, rate and time left, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from benchmark.engine.printing import visible, visible_streams


class RateColumn(ProgressColumn):
    """Units a second, or seconds a unit where that is more."""

    def render(self, task: Task) -> Text:
        """Show the current speed, or a dash before it is known."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("-/s")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each")


class Tell(Protocol):
    """Takes the number of units done so far, parts of one included, and a note to show beside the bar."""

    def __call__(self, done: float, note: str = "") -> None: ...


@contextmanager
def progress_bar(title: str, total: int, *, done: int = 0) -> Iterator[Tell]:
    """Show a bar while the block runs.

    Arguments:
        title: What is being done.
        total: Units of work.
        done: Units that an earlier run has finished.

    Yields:
        A function that takes the number of units done so far, and a note to show beside the bar.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(visible(title), total=total, completed=done, note="")

        def tell(done: float, note: str = "") -> None:
            bar.update(task, completed=done, note=visible(note))

        with visible_streams():  # rich has put streams of its own in their place, which obey what they are given
            yield tell
