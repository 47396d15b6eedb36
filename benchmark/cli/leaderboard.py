"""`bench leaderboard`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    name="leaderboard",
    epilog="""\b
Examples:
  bench leaderboard
  bench leaderboard --table 3
  bench leaderboard --check --leaderboards leaderboards""",
)
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that holds results/ and gets the pages.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a page is out of date, naming it.")
@click.option(
    "--table", metavar="TABLE", help="Print one table or page to stdout and write nothing: 1, 2a, ..., protocol-gap."
)
def command(leaderboards: Path, check: bool, table: str | None) -> None:
    """Generate the pages of every table, with their figures, from published numbers and results."""
    if table is not None and check:
        raise click.UsageError("--check is about the pages and --table prints one: give one of the two")
    if table is not None:
        from benchmark.leaderboard import check_page_name, read_records, table_page

        check_page_name(table)
        click.echo(table_page(table, records=read_records(leaderboards)), nl=False)
        return
    from benchmark.leaderboard import stale, write

    if check:
        outdated = stale(leaderboards)
        for path in outdated:
            click.echo(f"out of date: {path}", err=True)
        if outdated:
            click.echo(f"run: bench leaderboard --leaderboards {leaderboards}", err=True)
            raise click.exceptions.Exit(1)
        click.echo("every page is up to date")
        return
    touched = write(leaderboards)
    for path in touched:
        click.echo(f"{'wrote' if path.exists() else 'removed'} {path}")
    if not touched:
        click.echo("every page was up to date already")
