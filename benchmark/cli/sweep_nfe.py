"""`bench sweep-nfe`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.metrics.protocols import PROTOCOLS
from models.diffusion.samplers import SAMPLERS
from models.errors import UserError
from models.networks import NETWORKS


@click.command(
    name="sweep-nfe",
    epilog="""\b
Examples:
  bench sweep-nfe --data datasets/demo --network ir-sde-daclip --weights runs/ir-sde-daclip --out nfe.png
  bench sweep-nfe --data datasets/lol --network ir-sde-daclip --weights universal-ir.pth --daclip daclip_ViT-B-32.pt \\
    --sampler posterior --sampler mr-sde-2 --nfe 5 --nfe 10 --nfe 100 --out lol.png""",
)
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A dataset folder with a test split.")
@click.option("--network", required=True, help="A diffusion network; see bench list networks.")
@click.option("--weights", required=True, type=click.Path(path_type=Path), help="Weights file or run folder.")
@click.option("--daclip", type=click.Path(path_type=Path), help="DA-CLIP of the network, when its metadata name none.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The figure, FILE.png; see below.")
@click.option("--sampler", "samplers", multiple=True, metavar="SAMPLER", help="Repeatable.  [default: all samplers]")
@click.option(
    "--nfe",
    "calls",
    multiple=True,
    type=click.IntRange(min=1),
    help="Network calls an image; repeatable.  [default: 1 2 3 5 10 20 50 100]",
)
@click.option("--per-type", type=click.IntRange(min=1), help="Only the first so many images of each degradation.")
@click.option("--protocol", default="daclip", show_default=True, help="See bench list protocols.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the noise.")
@click.option("--device", help="cpu, cuda, ...  [default: cuda when there is one, else cpu]")
def command(
    data: Path,
    network: str,
    weights: Path,
    daclip: Path | None,
    out: Path,
    samplers: tuple[str, ...],
    calls: tuple[int, ...],
    per_type: int | None,
    protocol: str,
    seed: int,
    device: str | None,
) -> None:
    """Measure quality against the number of network calls, for every sampler.

    Writes FILE.json with the numbers (after every sampler and number of calls, so that it can be killed and continued),
    FILE.md with a table for each metric, and FILE.png.
    """
    if out.suffix.lower() != ".png":
        raise UserError(f"--out must end in .png (the table and the numbers go beside it), got {out.name}")
    card, chosen = NETWORKS[network], PROTOCOLS[protocol]
    if not card.sampler:
        raise UserError(f"network {network} restores in one pass: there is no number of calls to sweep over")
    for name in samplers:
        _ = SAMPLERS[name]

    from benchmark.dataset.folder import Dataset
    from benchmark.engine.progress import progress_bar
    from benchmark.evaluation.jobs import EvaluationJob
    from benchmark.evaluation.setting import loaded_setting, planned_setting
    from benchmark.evaluation.sweep import CALLS, cells_of, first_pairs, sweep
    from benchmark.report.nfe import nfe_figure, nfe_markdown
    from models.files import write_bytes, write_text
    from models.inference.cpu import best_device
    from models.inference.loading import load_restorer
    from models.weights.files import weights_digest, weights_file

    dataset = Dataset(data)
    place = device or best_device()
    digest = weights_digest(weights_file(weights))
    job = EvaluationJob(name=network, network=network, weights=weights, digest=digest, way=None, seed=seed)
    planned = planned_setting(job, daclip=daclip, device=place)
    restorer = load_restorer(network, weights, daclip=daclip, device=place)
    setting = loaded_setting(job, planned, restorer)
    cells = cells_of(restorer, samplers or tuple(SAMPLERS), calls or CALLS)
    images = sum(1 for _ in first_pairs(dataset, per_type))
    digests = {"weights_sha256": digest, "daclip_sha256": setting.daclip_sha256}
    method = {"title": card.title, "network": network, **digests}
    with progress_bar("sweep, images", images * len(cells)) as progress:
        found = sweep(
            restorer,
            dataset,
            chosen,
            out.with_suffix(".json"),
            method=method,
            cells=cells,
            seed=seed,
            per_type=per_type,
            progress=progress,
        )
    text = nfe_markdown(found)
    write_text(out.with_suffix(".md"), text)
    write_bytes(out, nfe_figure(found))
    click.echo(text)
    click.echo(f"{out}, {out.with_suffix('.md')}, {out.with_suffix('.json')}")
