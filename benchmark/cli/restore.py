"""`bench restore`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Literal

import click

from benchmark.cli.options import chosen_sampling, sampler_options
from models.errors import UserError
from models.networks.find import code_of, find_network

BATCH_ON_GPU = 8


@click.command(
    name="restore",
    epilog="""\b
Examples:
  bench restore photo.jpg restored.png --weights runs/nafnet
  bench restore photos/ restored/ --network nafnet-daclip --weights runs/nafnet-daclip --max-memory 4G
  bench restore rainy/ derained/ --network prenet --weights PReNet_latest.pth --format jpg
  bench restore in.jpg out.png --network ir-sde-daclip --weights universal-ir.pth --daclip daclip_ViT-B-32.pt
  bench restore in.jpg out.png --network ir-sde-daclip --weights runs/ir-sde-daclip --sampler mr-sde-2 --nfe 10
  bench restore in.jpg out.png --network my_networks:denoiser --weights mine.pth
  bench restore in.jpg out.png --network spandrel --weights scunet_color_real_psnr.pth""",
)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--network",
    help="See bench list networks; or package.module:factory, or spandrel.  [default: what the weights tell]",
)
@click.option("--weights", type=click.Path(path_type=Path), help="Weights file, run folder, or folder of a release.")
@click.option("--daclip", type=click.Path(path_type=Path), help="DA-CLIP of the network, when its metadata name none.")
@click.option("--max-memory", metavar="SIZE", help="Memory that may be used, e.g. 4G; larger images are tiled.")
@click.option("--tile", type=click.IntRange(min=16), help="Side of the tiles in pixels, instead of --max-memory.")
@click.option("--check-tiles", is_flag=True, help="Restore tiled images whole too and tell by how much they differ.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="What the network computes in, where its card allows it.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    help=f"Images of the same size restored together.  [default: {BATCH_ON_GPU} on a GPU; 1 on a CPU or with tiles]",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["png", "jpg", "tif", "webp"]),
    default="png",
    show_default=True,
    help="Of the files in the folder OUT; a single OUT tells by its ending.",
)
@click.option("--overwrite", is_flag=True, help="Restore images anew, and replace files that were not written here.")
@sampler_options
@click.option("--device", help="cpu, cuda, ...  [default: cuda when there is one, else cpu]")
def command(
    source: Path,
    target: Path,
    network: str | None,
    weights: Path | None,
    daclip: Path | None,
    max_memory: str | None,
    tile: int | None,
    check_tiles: bool,
    precision: Literal["fp32", "bf16", "fp16"],
    batch: int | None,
    suffix: str,
    overwrite: bool,
    sampler: str | None,
    nfe: int | None,
    prediction: Literal["data", "noise"] | None,
    seed: int | None,
    device: str | None,
) -> None:
    """Restore the image IN to the file OUT, or every image of the folder IN into the folder OUT.

    Grey images stay grey, alpha channels stay as they are, 16 bits stay 16 bits (PNG and TIFF), EXIF and colour
    profile are kept; the picture is turned upright. A folder that was interrupted is taken up where it ended: what is
    there from the same image and the same weights is not restored again.

    With a network that listens to DA-CLIP, the recognised degradation is printed for each image. Diffusion networks are
    sampled as their authors do unless --sampler or --nfe say otherwise; an image's noise follows from --seed and its
    pixels, so the same image always comes out the same.
    """
    if network is not None:
        find_network(network)
    elif weights is None:
        raise UserError("give --network NAME (see bench list networks), or --weights FILE that tell their network")
    sampling = chosen_sampling(sampler, nfe, prediction, seed, network=network)

    from benchmark.restoring.files import Ledger, announced, find_jobs

    jobs = find_jobs(source, target, f".{suffix}")

    from benchmark.engine.progress import progress_bar
    from benchmark.restoring.run import RestoreOptions, restore_files
    from models.inference.cpu import best_device
    from models.inference.loading import load_restorer, network_of
    from models.inference.memory import parse_memory
    from models.releases.matching import doubt
    from models.weights.opened import open_weights

    memory = parse_memory(max_memory) if max_memory else None
    opened = open_weights(weights) if weights is not None else None
    if network is None:
        assert opened is not None
        network = network_of(opened)
        click.echo(f"these are weights of {network}")
    elif ":" in network:
        click.echo(f"runs the code of {code_of(network)}", err=True)
    if opened is not None and (sentence := doubt(opened)):
        click.echo(sentence, err=True)
    restorer = load_restorer(network, opened, daclip=daclip, device=device or best_device(), sampling=sampling)
    tiled = memory is not None or tile is not None
    way = RestoreOptions(
        max_memory=memory,
        tile=tile,
        precision=precision,
        batch=batch or (1 if tiled or restorer.device.type == "cpu" else BATCH_ON_GPU),
        check_tiles=check_tiles,
        overwrite=overwrite,
    )
    folder = source.is_dir() or target.is_dir()
    calls = restorer.nfe if restorer.card.sampler else 1

    def warn(line: str) -> None:
        click.echo(line, err=True)

    with contextlib.ExitStack() as held:
        ledger = None
        if folder:
            place = jobs[0].out.parent
            held.enter_context(announced(place, tell=warn))
            ledger = Ledger(place, _settings(restorer, network, daclip, way), tell=warn)
        progress = held.enter_context(
            progress_bar("restore" if calls == 1 else "restore, network calls", len(jobs) * calls)
        )
        tally = restore_files(restorer, jobs, way, ledger=ledger, say=click.echo, warn=warn, progress=progress)
    there = f", {tally.there} were there already" if tally.there else ""
    click.echo(f"{tally.restored} restored to {target}{there}")
    if tally.failed:
        raise click.exceptions.Exit(1)


def _settings(restorer: Any, network: str, daclip: Path | None, way: Any) -> dict[str, Any]:
    """Return all that restored pixels depend on besides the image."""
    import platform

    from benchmark import __version__
    from benchmark.evaluation.cost import sampler_facts
    from benchmark.results.provenance import versions
    from models.networks.find import is_foreign
    from models.networks.source import source_digest, state_digest

    return {
        "network": network,
        # A DA-CLIP that was not given is named by the weights, with its digest.
        "weights": [restorer.weights_sha256, None if daclip is None else restorer.daclip_sha256],
        "code": source_digest(network),
        "numbers": state_digest(restorer.network) if is_foreign(network) else None,
        "sampler": sampler_facts(restorer),
        "seed": restorer.sampling.seed,
        "precision": way.precision,
        "tile": way.tile,
        "memory": way.max_memory,
        "device": restorer.device.type,
        "machine": platform.machine(),
        "tool": __version__,
        "versions": versions(),
    }
