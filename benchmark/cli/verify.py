"""`bench verify`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    name="verify",
    epilog="""\b
Example:
  bench verify datasets/demo --json audit.json""",
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the audit to this file.")
def command(dataset: Path, json_file: Path | None) -> None:
    """Audit DATASET: shard and image digests, decoding, sizes, and each synthetic image made again from its spec.

    Exit status 1 when anything does not hold.
    """
    from benchmark.dataset import Dataset
    from benchmark.progress import progress_bar
    from benchmark.verify import verify
    from models.files import write_json

    data = Dataset(dataset)
    total = sum(split["rows"] for split in data.manifest["splits"].values())
    with progress_bar("verify", total) as progress:
        audit = verify(data, progress=progress)
    if json_file:
        write_json(json_file, audit.to_json(data))
    for problem in audit.problems[:50]:
        click.echo(f"{problem['where']}: {problem['what']}")
    checked = ", ".join(f"{n} {what}" for what, n in audit.checked.items())
    click.echo(f"checked {checked}: {len(audit.problems) or 'no'} problem{'s' if len(audit.problems) != 1 else ''}")
    if audit.problems:
        raise click.exceptions.Exit(1)
