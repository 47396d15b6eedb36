"""The command line `bench`: a group whose commands are imported only when they run."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from benchmark import __version__
from benchmark.cli import endings
from benchmark.engine.children import keep_children_from_here
from benchmark.engine.printing import visible_streams
from models.errors import UserError

COMMANDS = {
    "build-dataset": ("benchmark.cli.build_dataset", "Build a dataset: pairs of degraded and clean images in Parquet."),
    "verify": ("benchmark.cli.verify", "Audit a dataset: digests, decoding, synthesis."),
    "caption": ("benchmark.cli.caption", "Write captions of the clean images, with the degradation, as Parquet."),
    "check-captions": ("benchmark.cli.check_captions", "Check captions: empty, repeated, too long, alike, telling."),
    "export": ("benchmark.cli.export", "Write a dataset in the authors' layout, their caption files, or tar shards."),
    "push": ("benchmark.cli.push", "Publish a dataset on the Hugging Face hub: shards, card, Croissant description."),
    "train": ("benchmark.cli.train", "Train DA-CLIP or a restoration network."),
    "runs": ("benchmark.cli.runs", "List, compare and plot training runs."),
    "restore": ("benchmark.cli.restore", "Restore an image or a folder of images."),
    "eval": ("benchmark.cli.eval", "Evaluate networks or a folder of restored images."),
    "sweep-nfe": ("benchmark.cli.sweep_nfe", "Measure quality against network calls, for all samplers."),
    "robustness": ("benchmark.cli.robustness", "Measure networks under every degradation, at five levels each."),
    "leaderboard": ("benchmark.cli.leaderboard", "Generate the Markdown leaderboards from results."),
    "list": ("benchmark.cli.listing", "List networks, sources, degradations, metrics, protocols, tables, ..."),
    "weights": ("benchmark.cli.weights", "Fetch, convert, inspect and export weights files."),
    "speed": ("benchmark.cli.speed", "Measure speed, as ratios in one run."),
    "demo": ("benchmark.cli.demo", "Run the whole chain on embedded photos."),
}
"""Name of each command: the module that holds its `command`, and its line in the help."""
HEAVY = ("train", "restore", "eval", "sweep-nfe", "robustness", "speed")
"""Commands that run networks, for which the process is tuned."""
ROOM = dict.fromkeys(("build-dataset", "verify", "caption", "check-captions", "export", "push"), 1000) | {
    "leaderboard": 200
}
"""Megabytes of addresses (`ulimit -v`) without which libraries of a command end the process in words of their own."""


HELP = """Build the mixed-degradation dataset, caption it, train, evaluate, and generate leaderboards.

\b
The whole chain on embedded photos:   bench demo
A command's options and examples:     bench COMMAND --help
"""


class LazyGroup(click.Group):
    """A click group that knows the names and summaries of its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a project's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or None when there is no such one."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        if command.callback is not None and not hasattr(command.callback, "__wrapped__"):
            if cmd_name in HEAVY:
                command.callback = _tuned(command.callback)
            elif cmd_name in ROOM:
                command.callback = _with_room(command.callback, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the summaries from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, naming the closest one when it is mistyped."""
        from models.errors import close_match

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command {args[0]!r}{close_match(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


def _tuned(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Tune the process for networks on a CPU just before a command runs: its help needs no torch."""

    @functools.wraps(callback)
    def run(*arguments: Any, **options: Any) -> Any:
        from models.inference.cpu import tune_cpu

        tune_cpu()
        return callback(*arguments, **options)

    return run


# With `color`, click leaves texts as they are, and `benchmark.engine.printing` shows all that they hold.
def _with_room(callback: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Refuse to run a command where its libraries could not be loaded."""

    @functools.wraps(callback)
    def run(*arguments: Any, **options: Any) -> Any:
        endings.check_room(name, ROOM[name])
        return callback(*arguments, **options)

    return run


@click.group(cls=LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "color": True})
@click.version_option(__version__, prog_name="bench")
def bench() -> None:
    """Hold the commands; its help is `HELP`."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `bench`; a user's mistake ends with one sentence on stderr and exit status 2.

    An interrupted command ends with 130 or 143, one whose output nobody reads with 141.
    """
    if arguments is not None:
        sys.argv = ["bench", *arguments]  # what results record as the command that made them
    else:
        keep_children_from_here()
        endings.open_streams()
        endings.quiet_threads()
    # Two processes whose OpenMP threads spin while they wait slow each other down twentyfold; sleeping ones do not.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with visible_streams(), endings.signals(process=arguments is None):
        sys.exit(endings.flush(_status(arguments)))


def _status(arguments: Sequence[str] | None) -> int:
    """Run `bench` and return its exit status, once how it ended is told."""
    try:
        try:
            if any("\0" in argument for argument in arguments or ()):
                raise UserError("an argument holds a NUL character: remove it")
            if arguments is None and "_BENCH_COMPLETE" in os.environ:  # a shell asks what could follow
                return bench.main(prog_name="bench", standalone_mode=False) or 0
            # Not through `main` of click, which ends a closed pipe and an interrupt with a status of its own.
            with bench.make_context("bench", list(sys.argv[1:] if arguments is None else arguments)) as context:
                bench.invoke(context)
            return 0
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        finally:
            endings.stop_workers()
    except BaseException as error:
        ending = endings.ending_of(error)
        if ending is not None:
            return endings.tell(*ending)
        if arguments is not None:
            raise
        endings.tell_fault(error)
        return 1
