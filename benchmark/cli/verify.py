"""`bench verify`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmark.verify.run import Audit

SHOWN = 20
"""Findings that the terminal shows; the report has them all."""


@click.command(
    name="verify",
    epilog="""\b
Examples:
  bench verify datasets/demo
  bench verify datasets/paper --against raw/BSDS500.zip --against datasets/other --strict
  bench verify datasets/paper --report reports/paper --json audit.json --workers 16""",
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Also look for its images in this dataset, or folder or archive of images; repeatable.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Folder of the report.  [default: DATASET/verify]")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the audit to this file.")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes, 0 for none.  [default: all processors]")
@click.option("--strict", is_flag=True, help="Exit with status 1 on suspicions and leaks too.")
def command(
    dataset: Path,
    against: tuple[Path, ...],
    report: Path | None,
    json_file: Path | None,
    workers: int | None,
    strict: bool,
) -> None:
    """Look for everything that is wrong with DATASET.

    Errors: bytes that are not those of the manifest, images that do not decode, synthetic images that their spec does
    not make again, exchanged partners and roles. Leaks: test photos that are also in the training data, or in a set
    given with --against. Suspicions: displaced pairs, photos and pairs that are there twice.

    Exit status 1 on errors, with --strict on any finding.
    """
    from benchmark import engine
    from benchmark.dataset.folder import Dataset
    from benchmark.engine.progress import progress_bar
    from benchmark.verify.report import refuse_other_content, write_report
    from benchmark.verify.run import OtherSet, verify
    from models.errors import UserError
    from models.files import write_json

    data = Dataset(dataset)
    folder = report or dataset / "verify"
    refuse_other_content(folder)
    for path in against:
        if path.exists() and path.resolve() == dataset.resolve():
            raise UserError(f"--against {path} is the dataset itself: its own images are compared anyway")
    others = [OtherSet.open(path) for path in against]
    total = sum(split["rows"] for split in data.manifest["splits"].values()) + sum(len(o.images) for o in others)
    with progress_bar("verify", total) as progress:
        audit = verify(
            data,
            against=others,
            workers=engine.default_workers() if workers is None else workers,
            progress=progress,
        )
    write_report(audit, data, folder)
    if json_file:
        write_json(json_file, audit.to_json(data))
    _tell(audit)
    click.echo(f"report: {folder / 'README.md'}")
    if audit.count("error") or (strict and audit.findings):
        raise click.exceptions.Exit(1)


def _tell(audit: Audit) -> None:
    from benchmark.verify.findings import LEVELS
    from models.markdown import shown

    for finding in audit.findings[:SHOWN]:
        click.echo(f"{finding.level}: {shown(finding.where)}: {shown(finding.what)}")
    if len(audit.findings) > SHOWN:
        click.echo(f"... and {len(audit.findings) - SHOWN} more")
    checked = ", ".join(f"{n} {what}" for what, n in audit.checked.items())
    counts = Counter(finding.level for finding in audit.findings)
    found = ", ".join(f"{counts[one] or 'no'} {one}{'' if counts[one] == 1 else 's'}" for one in LEVELS)
    click.echo(f"checked {checked}: {found}")
