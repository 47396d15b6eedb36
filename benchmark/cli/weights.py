"""`bench weights`: fetch, convert, inspect and export weights files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.groups import WholeHelpGroup
from benchmark.cli.weights_get import get_command, list_command

if TYPE_CHECKING:
    from models.releases.describe import Description

MEGABYTE = 1_000_000


@click.group(
    name="weights",
    cls=WholeHelpGroup,
    epilog="""\b
Examples:
  bench weights list
  bench weights get inception lpips-alex
  bench weights convert daclip_ViT-B-32.pt daclip.safetensors
  bench weights convert universal-ir.pth universal-ir.safetensors --daclip daclip.safetensors
  bench weights inspect universal-ir.pth
  bench weights export runs/daclip daclip.pt""",
)
def command() -> None:
    """Fetch published weights, convert the authors' checkpoints, look into weights files, write the authors' layout."""


command.add_command(list_command)
command.add_command(get_command)


@command.command("convert")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--daclip", type=click.Path(path_type=Path), help="The DA-CLIP that the network was trained with.")
@click.option(
    "--max-sigma",
    type=click.FloatRange(min=0, min_open=True),
    help="Noise level that a U-Net was trained with.  [default: the published one, 50; 10 for the original IR-SDE]",
)
def convert_command(source: Path, out: Path, daclip: Path | None, max_sigma: float | None) -> None:
    """Write the tensors of a checkpoint IN as safetensors, with origin and settings inside.

    Reads the checkpoints of the authors of every network (bench list networks) and of DA-CLIP without running code
    found in them. The optimiser's state and second copies of tensors are left out.
    """
    from benchmark.engine.progress import progress_bar
    from models.releases.convert import convert

    total = source.stat().st_size if source.is_file() else 0
    with progress_bar("digest MB", total // MEGABYTE) as progress:
        done = convert(
            source, out, daclip=daclip, max_sigma=max_sigma, progress=lambda size: progress(size // MEGABYTE)
        )
    origin = done.metadata["source"]
    for name, facts in origin["dropped"].items():
        click.echo(f"left out {name}: {_megabytes(facts['bytes'])}")
    if origin["official"]:
        click.echo(f"released file: {origin['official']}")
    click.echo(_loads_as(done.metadata))
    sizes = f"{source} ({_megabytes(origin['bytes'])}) -> {out} ({_megabytes(done.written)})"
    click.echo(f"{sizes}, {done.tensors} tensors, {'is there already' if done.repeated else 'written'}")


@command.command("inspect")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def inspect_command(source: Path, as_json: bool) -> None:
    """Say what FILE (or a run folder) holds, where it comes from and what it would be loaded as."""
    from models.releases.describe import describe

    found = _facts(describe(source))
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for name, value in found.items():
        click.echo(f"{name + ':':<12} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")


@command.command("export")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
def export_command(source: Path, out: Path) -> None:
    """Write weights IN (a file or a run folder) as a torch checkpoint that the authors' code loads strictly."""
    from models.releases.export import export

    state = export(source, out)
    click.echo(f"{source} -> {out} ({_megabytes(out.stat().st_size)}), {len(state)} names")


def _released(found: Description) -> str:
    if found.official:
        return found.official.name
    files = [(card, file) for card in found.owners for file in card.files if file.sha256 == found.sha256]
    whose = [f"{card.title}, {file.name}{f' ({file.about})' if file.about else ''}" for card, file in files]
    return "; ".join(whose) or found.doubt or "no file whose digest is known"


def _facts(found: Description) -> dict[str, Any]:
    from models.weights.files import weights_size

    checkpoint = found.checkpoint
    return {
        "file": str(found.path),
        "bytes": weights_size(found.path),
        "sha256": found.sha256,
        "released": _released(found),
        "network": found.metadata.get("network", "unknown"),
        "parameters": found.parameters,
        "tensors": len(checkpoint.state),
        "kinds": found.dtypes,
        "names": found.groups,
        "nesting": checkpoint.nesting or "none",
        "prefix": "module." if checkpoint.prefixed else "none",
        "beside": {**checkpoint.facts, **{key: _megabytes(size) for key, size in checkpoint.left.items()}},
        "provenance": _provenance(found),
        "loads as": _loads_as(found.metadata),
    }


def _provenance(found: Description) -> Any:
    if not found.ours:
        return "not written by this program; settings are those of the authors' test options"
    keys = ("source", "daclip", "dataset", "step", "tool")
    return {key: found.metadata[key] for key in keys if found.metadata.get(key)}


def _loads_as(metadata: dict[str, Any]) -> str:
    if "arch" not in metadata:
        return "nothing: the names are of no network that this program knows"
    network, arch = metadata["network"], json.dumps(metadata["arch"], sort_keys=True)
    if metadata.get("task") == "daclip":
        return f"DA-CLIP (--daclip) around the CLIP {arch}"
    if "sde" not in metadata:
        return f"--network {network} with {arch}"
    sampled = f"; sampled by {metadata.get('sampler', 'posterior')}, {json.dumps(metadata['sde'], sort_keys=True)}"
    return f"--network {network} with {arch}{sampled}"


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.1f} MB"
