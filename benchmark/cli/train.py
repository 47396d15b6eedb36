"""`bench train`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.errors import UserError
from models.inference.cpu import best_device
from models.recipes import RECIPES

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@click.command(
    name="train",
    epilog="""\b
Examples:
  bench train daclip --data datasets/demo --out runs/daclip --preset demo
  bench train nafnet --data datasets/demo --out runs/nafnet --preset demo --set optimizer.lr=5e-4
  bench train nafnet-daclip --data datasets/demo --out runs/nafnet-daclip --preset demo --daclip runs/daclip
  bench train nafnet --data datasets/demo --out runs/checked --preset demo --set 'validation={every: 60, held_out: 0.1}'
  bench train nafnet --data datasets/lol --out runs/lol --init runs/nafnet --set optimizer.lr=5e-5
  bench train nafnet --data datasets/paper --out runs/nafnet --devices 8 --precision bf16
  torchrun --nnodes 2 --nproc-per-node 8 ... $(which bench) train nafnet --data datasets/paper --out runs/nafnet""",
)
@click.argument("network", metavar="NETWORK")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A dataset folder.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run folder to write.")
@click.option("--preset", help="A preset of the recipe.  [default: paper]")
@click.option("--max-steps", type=click.IntRange(min=1), help="Number of steps, instead of the recipe's.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed, instead of the recipe's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Any setting of the recipe; repeatable.")
@click.option("--daclip", type=click.Path(path_type=Path), help="Run or weights of the DA-CLIP to listen to.")
@click.option("--init", type=click.Path(path_type=Path), help="Run or weights to start from.")
@click.option("--partial", is_flag=True, help="Start from those tensors of --init that fit, and say which do not.")
@click.option("--device", help="cpu, cuda, cuda:1, mps  [default: cuda when there is one, else cpu]")
@click.option("--devices", type=click.IntRange(min=1), help="Processes on each node, one a device.  [default: 1]")
@click.option("--num-nodes", type=click.IntRange(min=1), help="Machines that train together.  [default: 1]")
@click.option(
    "--strategy",
    type=click.Choice(["auto", "ddp", "fsdp"]),
    default="auto",
    show_default=True,
    help="How several processes share the work: copies of the weights, or shards of them.",
)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="Instead of the recipe's.")
@click.option("--workers", type=click.IntRange(min=0), help="Threads that prepare batches ahead.")
@click.option("--wandb", metavar="PROJECT", help="Also send the numbers to Weights & Biases (pip install wandb).")
def command(
    network: str,
    data: Path,
    out: Path,
    preset: str | None,
    max_steps: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    daclip: Path | None,
    init: Path | None,
    partial: bool,
    device: str | None,
    devices: int | None,
    num_nodes: int | None,
    strategy: str,
    precision: str | None,
    workers: int | None,
    wandb: str | None,
) -> None:
    """Train NETWORK (see bench list recipes) on the training split of a dataset.

    Writes weights.safetensors, recipe.yaml, events.jsonl and TensorBoard files into the run folder. It can be killed at
    any moment; the same command continues from the newest checkpoint. Ctrl-C and SIGTERM save first.
    """
    card = RECIPES[network]
    from benchmark.dataset.folder import Dataset
    from benchmark.engine.progress import progress_bar
    from benchmark.training.run import train
    from models.training.devices import make_fabric
    from models.training.recipe import load_recipe, recipe_yaml

    for key, value in (("steps", max_steps), ("seed", seed), ("precision", precision)):
        if value is not None:
            overrides = (*overrides, f"{key}={value}")
    recipe = load_recipe(network, preset=preset, overrides=overrides)
    if partial and init is None:
        raise UserError("--partial says how to start from weights: give them as --init")
    dataset = Dataset(data)
    fabric = make_fabric(
        device=device or best_device(),
        devices=devices,
        num_nodes=num_nodes,
        strategy=strategy,
        precision=recipe.precision,
    )
    fabric.launch()
    first = fabric.is_global_zero
    quiet: Any = nullcontext(lambda *_: None)
    if first:
        click.echo(recipe_yaml(recipe, defaults=False), err=True, nl=False)
    with (
        _one_voice(fabric),
        progress_bar("decode", dataset.split("train")["rows"]) if first else quiet as decoding,
        progress_bar(f"train {card.title}", recipe.steps) if first else quiet as progress,
    ):
        manifest = train(
            recipe,
            dataset,
            out,
            fabric=fabric,
            daclip=daclip,
            init=init,
            partial=partial,
            workers=workers,
            wandb=wandb,
            decoding=decoding,
            progress=progress,
            say=_say if first else lambda sentence: None,
        )
    if first:
        click.echo(f"{card.title}: {manifest['steps']} steps, {out / 'weights.safetensors'}")


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


@contextmanager
def _one_voice(fabric: Fabric) -> Iterator[None]:
    """Let only the first of several processes say what went wrong; a run that was asked to stop says how to go on."""
    from torch import distributed as dist

    from models.training.processes import Stopped

    try:
        yield
    except Stopped as stop:
        if fabric.is_global_zero:
            _say(f"{stop}: the same command continues from there")
        raise click.exceptions.Exit(128 + stop.number) from None
    except UserError:
        if fabric.is_global_zero:
            raise
        raise click.exceptions.Exit(2) from None
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
