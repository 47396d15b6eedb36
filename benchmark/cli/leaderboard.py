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
  bench leaderboard --check --leaderboards leaderboards
  bench leaderboard --seal                                             (results of an earlier version)""",
)
@click.option(
    "--leaderboards",
    default="leaderboards",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that holds results/ and gets the pages.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit with 1 when a page is out of date or a result has no seal, naming it.",
)
@click.option(
    "--seal",
    is_flag=True,
    help="Compare results that an earlier version wrote without a seal with their rows, and give them one.",
)
@click.option(
    "--table", metavar="TABLE", help="Print one table or page to stdout and write nothing: 1, 2a, ..., protocol-gap."
)
def command(leaderboards: Path, check: bool, seal: bool, table: str | None) -> None:
    """Generate the pages of every table, with their figures, from published numbers and results.

    Results are compared with their seals and with their rows: one that was changed after it was written is refused.
    """
    if sum((table is not None, check, seal)) > 1:
        raise click.UsageError("--check is about the pages, --seal about the results, and --table prints one: give one")
    if seal:
        _seal(leaderboards)
        return
    from benchmark.report.leaderboard import check_page_name, read_records, stale, table_page, without_rows, write

    if table is not None:
        check_page_name(table)
    records = read_records(leaderboards)
    for path in without_rows(leaderboards, records):
        click.echo(f"{path}: its rows are gone, so that it is compared with no other result", err=True)
    if table is not None:
        click.echo(table_page(table, records=records), nl=False)
        return
    if check:
        from benchmark.results.sealing import unsealed

        outdated, open_to_change = stale(leaderboards, records=records), unsealed(leaderboards)
        for path in outdated:
            click.echo(f"out of date: {path}", err=True)
        if outdated:
            click.echo(f"run: bench leaderboard --leaderboards {leaderboards}", err=True)
        for path in open_to_change:
            click.echo(f"not sealed: {path}", err=True)
        if open_to_change:
            click.echo(f"run: bench leaderboard --seal --leaderboards {leaderboards}", err=True)
        if outdated or open_to_change:
            raise click.exceptions.Exit(1)
        click.echo("every page is up to date")
        return
    touched = write(leaderboards, records=records)
    for path in touched:
        click.echo(f"{'wrote' if path.exists() else 'removed'} {path}")
    if not touched:
        click.echo("every page was up to date already")


def _seal(leaderboards: Path) -> None:
    from benchmark.results.sealing import seal_results

    done = seal_results(leaderboards)
    for one in done:
        click.echo(f"sealed {one.path}: {one.told}")
    if not done:
        click.echo("every result was sealed already")
