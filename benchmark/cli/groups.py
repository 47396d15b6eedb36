"""Groups of commands whose help says in full what each is for."""

from __future__ import annotations

import click


class WholeHelpGroup(click.Group):
    """A click group that does not cut the summaries of its commands to a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with the first sentence of its help."""
        with formatter.section("Commands"):
            found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
            formatter.write_dl(
                [
                    (name, one.get_short_help_str(limit=1000))
                    for name, one in found
                    if one is not None and not one.hidden
                ]
            )
