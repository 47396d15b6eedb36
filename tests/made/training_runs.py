"""Tiny training runs that tests share: recipes, made-up batches, and children that are killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from small_models import ARCHS, CLIP
from torch import Tensor

from models.daclip.tokenise import tokenise_pairs
from models.inference.restorer import Restorer
from models.networks import NETWORKS
from models.networks.build import build
from models.recipes import RECIPES
from models.training.callbacks import Callbacks
from models.training.fit import fit
from models.training.recipe import Recipe, load_recipe
from models.training.tasks.contract import Batch

SIDE = 32
CAPTIONS = ["a cat", "a dog on grass", "two boats", "a red car", "snow on a roof", "a face"]
WORDS = ["noisy", "hazy", "rainy"]


def tiny_recipe(name: str, *overrides: str, steps: int = 3) -> Recipe:
    """Return a recipe with a tiny network and small batches; overrides come last."""
    recipe = load_recipe(
        name, preset=RECIPES[name].presets[-1], overrides=(f"steps={steps}", "log_every=1", *overrides)
    )
    small: dict[str, Any] = {"patch_size": SIDE, "batch_size": 3, "progressive": []}
    if recipe.task == "daclip":
        small = {"arch": {"clip": CLIP, "pretrained": None}, "patch_size": 64, "batch_size": 6}
    else:
        small["arch"] = {k: v for k, v in ARCHS[name].items() if not k.endswith(("embedding_dim", "_dim"))}
        if NETWORKS[name].conditioning != "none":
            small["arch"] = dict(ARCHS[name])
        small["patch_size"] = patch_size(name, small["arch"])
    given = {text.split("=")[0].split(".")[0] for text in overrides}
    return Recipe.model_validate(recipe.model_dump() | {k: v for k, v in small.items() if k not in given})


def patch_size(name: str, arch: dict[str, Any]) -> int:
    """Return the side of a small patch that a network learns from."""
    if NETWORKS[name].conditioning != "none":
        return SIDE
    padding = Restorer(name=name, network=build(name, arch)).padding
    return -(-max(SIDE, padding.minimum_size) // padding.multiple_of) * padding.multiple_of


def made_batches(recipe: Recipe) -> Callable[[int], Iterator[Batch]]:
    """Return batches that are a function of the step alone: degraded images are darker, captions repeat."""
    tokens = tokenise_pairs(CAPTIONS, [WORDS[n % 3] for n in range(6)]) if recipe.task == "daclip" else None

    def batches(start: int) -> Iterator[dict[str, Tensor]]:
        while True:
            generator = torch.Generator().manual_seed(start)
            sizes = recipe.phase(start)
            rows = torch.arange(sizes.batch_size)
            clean = torch.rand(sizes.batch_size, 3, sizes.patch_size, sizes.patch_size, generator=generator)
            batch: dict[str, Tensor] = {"index": rows + start * sizes.batch_size, "seed": torch.tensor(start)}
            if tokens is not None:
                chosen = torch.randperm(6, generator=generator)[: sizes.batch_size]
                yield {**batch, "image": clean, "text": tokens[chosen], "label": chosen % 3}
            else:
                other = torch.rand(clean.shape, generator=generator)
                yield {**batch, "degraded": clean / 2, "degraded_2": other / 2, "clean": clean}
            start += 1

    return batches


def run(recipe: Recipe, out: Path, *, daclip: Path | None = None, **more: Any) -> dict[str, Any]:
    """Fit a recipe to made-up batches and return the manifest."""
    torch.set_num_threads(1)
    make = RECIPES.load(recipe.name)
    batches = more.pop("batches", None) or made_batches(recipe)
    return fit(lambda: make(recipe, daclip=daclip), batches, recipe, out, dataset={"digest": "x"}, tool="t", **more)


def run_in_child(recipe: Recipe, out: Path, *, before: Callable[[], object] | None = None, **more: Any) -> int:
    """Fit in a child process and return its exit status: minus the number of the signal that ended it, or 0 to 3.

    Arguments:
        recipe: What to fit.
        out: The run folder.
        before: Called in the child first.
        more: Further arguments of `run`; `at_step` is called with each number of steps done.
    """
    from models.errors import UserError
    from models.training.processes import Stopped

    at_step = more.pop("at_step", None)
    child = os.fork()
    if child == 0:
        status = 3
        try:
            if before is not None:
                before()
            callbacks = Callbacks(progress=lambda done, note: at_step(done) if at_step else None)
            run(recipe, out, callbacks=callbacks, **more)
            status = 0
        except Stopped:
            status = 1
        except UserError:
            status = 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
