"""`bench restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from benchmark.cli.sampler_options import chosen_sampling, sampler_options
from models.errors import UserError
from models.networks import NETWORKS


@click.command(
    name="restore",
    epilog="""\b
Examples:
  bench restore photo.jpg restored.png --network nafnet --weights runs/nafnet
  bench restore photos/ restored/ --network nafnet-daclip --weights runs/nafnet-daclip --max-memory 4G
  bench restore in.jpg out.png --network ir-sde-daclip --weights universal-ir.pth --daclip daclip_ViT-B-32.pt
  bench restore in.jpg out.png --network ir-sde-daclip --weights runs/ir-sde-daclip --sampler mr-sde-2 --nfe 10""",
)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--network", required=True, help="See bench list networks.")
@click.option("--weights", type=click.Path(path_type=Path), help="Weights file or run folder.")
@click.option("--daclip", type=click.Path(path_type=Path), help="DA-CLIP of the network, when its metadata name none.")
@click.option("--max-memory", metavar="SIZE", help="Memory that may be used, e.g. 4G; larger images are tiled.")
@click.option("--tile", type=click.IntRange(min=16), help="Side of the tiles in pixels, instead of --max-memory.")
@sampler_options
@click.option("--device", help="cpu, cuda, ...  [default: cuda when there is one, else cpu]")
def command(
    source: Path,
    target: Path,
    network: str,
    weights: Path | None,
    daclip: Path | None,
    max_memory: str | None,
    tile: int | None,
    sampler: str | None,
    nfe: int | None,
    prediction: Literal["data", "noise"] | None,
    seed: int | None,
    device: str | None,
) -> None:
    """Restore the image IN to the file OUT, or every image of the folder IN into the folder OUT (as PNG).

    With a network that listens to DA-CLIP, the recognised degradation is printed for each image. Diffusion networks are
    sampled as their authors do unless --sampler or --nfe say otherwise; an image's noise follows from --seed and its
    pixels, so the same image always comes out the same.
    """
    _ = NETWORKS[network]
    sampling = chosen_sampling(sampler, nfe, prediction, seed, network=network)
    pairs = _files(source, target)

    import torch

    from benchmark.cli.train import best_device
    from benchmark.progress import progress_bar
    from models.files import write_bytes
    from models.images import encode_png, read, to_float, to_uint8
    from models.inference import restore
    from models.loading import load_restorer
    from models.memory import parse_memory
    from models.vocabulary import DEGRADATIONS

    memory = parse_memory(max_memory) if max_memory else None
    restorer = load_restorer(network, weights, daclip=daclip, device=device or best_device(), sampling=sampling)
    calls = restorer.nfe if restorer.card.sampler else 1
    failed = 0
    with progress_bar("restore" if calls == 1 else "restore, network calls", len(pairs) * calls) as progress:
        for done, (file, out) in enumerate(pairs, start=1):
            try:
                image = torch.from_numpy(to_float(read(file))).permute(2, 0, 1).contiguous()
            except UserError as error:
                if len(pairs) == 1:
                    raise
                click.echo(f"left out: {error}", err=True)
                failed += 1
                continue
            before = (done - 1) * calls
            restored = restore(
                restorer,
                image,
                max_memory=memory,
                tile=tile,
                progress=lambda made, before=before: progress(before + made),
            )
            write_bytes(out, encode_png(to_uint8(restored.permute(1, 2, 0).numpy())))
            if restorer.daclip is not None:
                word, probability = restorer.recognise(image, DEGRADATIONS)[0]
                click.echo(f"{file.name}: {word} ({100 * probability:.0f} %)")
            progress(done * calls)
    click.echo(f"{len(pairs) - failed} restored to {target}")
    if failed:
        raise click.exceptions.Exit(1)


def _files(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Return each input file with its output file.

    Raises:
        UserError: The input is missing, or input and output are of different kinds.
    """
    from models.images import list_images

    if source.is_dir():
        if target.is_file():
            raise UserError(f"IN is a folder, so OUT must be one too, but {target} is a file")
        pairs = [(file, target / f"{file.stem}.png") for file in list_images(source)]
        taken: dict[Path, Path] = {}
        for file, out in pairs:
            if out in taken:
                raise UserError(f"{taken[out].name} and {file.name} would both be written to {out.name}: rename one")
            taken[out] = file
        return pairs
    if not source.is_file():
        raise UserError(f"IN not found: {source}")
    if target.is_dir():
        return [(source, target / f"{source.stem}.png")]
    if target.suffix.lower() != ".png":
        raise UserError(f"OUT must end in .png (restored images are stored without loss), got {target.name}")
    return [(source, target)]
