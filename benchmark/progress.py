"""One progress bar for all long work: done, rate and time left, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        """Show the current speed, or a dash before it is known."""
        speed = task.finished_speed or task.speed
        return Text("-/s" if speed is None else f"{speed:.1f}/s")


@contextmanager
def progress_bar(title: str, total: int, *, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs.

    Arguments:
        title: What is being done.
        total: Units of work.
        done: Units that an earlier run has finished.

    Yields:
        A function that takes the number of units done so far.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(title, total=total, completed=done)
        yield lambda now: bar.update(task, completed=now)
