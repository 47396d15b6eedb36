"""The command line `bench`: a group whose commands are imported only when they run."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from benchmark import __version__
from benchmark.children import keep_children_from_here
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
        if cmd_name in HEAVY and command.callback is not None and not hasattr(command.callback, "__wrapped__"):
            command.callback = _tuned(command.callback)
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
        from models.cpu import tune_cpu

        tune_cpu()
        return callback(*arguments, **options)

    return run


@click.group(cls=LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def bench() -> None:
    """Hold the commands; its help is `HELP`."""


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run `bench`; a user's mistake ends with one sentence on stderr and exit status 2."""
    if arguments is not None:
        sys.argv = ["bench", *arguments]  # what results record as the command that made them
    else:
        keep_children_from_here()
    # Two processes whose OpenMP threads spin while they wait slow each other down twentyfold; sleeping ones do not.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return bench.main(args=None if arguments is None else list(arguments), prog_name="bench")
    except UserError as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        click.echo(
            f"bench: {error.strerror or error}{where}: check the disk and permissions, then run it again", err=True
        )
        sys.exit(2)
