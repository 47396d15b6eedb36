"""`bench train`."""

from __future__ import annotations

from pathlib import Path

import click

from models.recipes import RECIPES


@click.command(
    name="train",
    epilog="""\b
Examples:
  bench train daclip --data datasets/demo --out runs/daclip --preset demo
  bench train nafnet --data datasets/demo --out runs/nafnet --preset demo --set optimizer.lr=5e-4
  bench train nafnet-daclip --data datasets/demo --out runs/nafnet-daclip --preset demo --daclip runs/daclip
  bench train ir-sde-daclip --data datasets/lol --out runs/lol --daclip runs/daclip --set arch.degradation_dim=null""",
)
@click.argument("network", metavar="NETWORK")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A dataset folder.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run folder to write.")
@click.option("--preset", help="A preset of the recipe.  [default: paper]")
@click.option("--max-steps", type=click.IntRange(min=1), help="Number of steps, instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed, instead of the recipe's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Any setting of the recipe; repeatable.")
@click.option("--daclip", type=click.Path(path_type=Path), help="Run or weights of the DA-CLIP to listen to.")
@click.option("--device", help="cpu, cuda, cuda:1, ...  [default: cuda when there is one, else cpu]")
def command(
    network: str,
    data: Path,
    out: Path,
    preset: str | None,
    max_steps: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    daclip: Path | None,
    device: str | None,
) -> None:
    """Train NETWORK (see bench list recipes) on the training split of a dataset.

    Writes weights.safetensors, recipe.yaml, events.jsonl and TensorBoard files into the run folder. It can be killed at
    any moment; the same command continues from the newest checkpoint.
    """
    card = RECIPES[network]
    from benchmark.dataset import Dataset
    from benchmark.progress import progress_bar
    from benchmark.train import train
    from models.training.recipe import load_recipe

    if max_steps is not None:
        overrides = (*overrides, f"steps={max_steps}")
    if seed is not None:
        overrides = (*overrides, f"seed={seed}")
    recipe = load_recipe(network, preset=preset, overrides=overrides)
    dataset = Dataset(data)
    with (
        progress_bar("decode", dataset.split("train")["rows"]) as decoding,
        progress_bar(f"train {card.title}", recipe.steps) as progress,
    ):
        manifest = train(
            recipe, dataset, out, daclip=daclip, device=device or best_device(), decoding=decoding, progress=progress
        )
    click.echo(f"{card.title}: {manifest['steps']} steps, {out / 'weights.safetensors'}")


def best_device() -> str:
    """Return "cuda" when there is a usable one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
