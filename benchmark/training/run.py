"""A recipe and a dataset to a run: where the training room meets the data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__
from benchmark.dataset.folder import Dataset
from benchmark.training.batches import (
    daclip_batches,
    daclip_validation,
    held_out,
    restoration_batches,
    validation_batches,
)
from benchmark.training.cache.read import DecodedCache, open_cache
from models.recipes import RECIPES

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from models.training.recipe import Recipe


def _nothing(*_: Any) -> None:
    pass


def train(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    *,
    fabric: Fabric,
    daclip: Path | None = None,
    init: Path | None = None,
    partial: bool = False,
    workers: int | None = None,
    wandb: str | None = None,
    decoding: Callable[[int], None] = _nothing,
    progress: Callable[[int, str], None] = _nothing,
    say: Callable[[str], None] = _nothing,
) -> dict[str, Any]:
    """Fit a recipe to the training split of a dataset; in several processes, this is called in each of them.

    Arguments:
        recipe: What to do.
        dataset: The data; for DA-CLIP with captions.
        out: The run folder.
        fabric: Devices and processes, launched (see `models.training.devices.make_fabric`).
        daclip: Weights or run of a DA-CLIP, for the recipes that need one.
        init: Weights or run to start from.
        partial: Whether only some of its tensors need to fit.
        workers: Threads that prepare batches ahead; None for one beside a CPU in training, else up to eight.
        wandb: Project of Weights & Biases that gets the numbers too.
        decoding: Called with the number of images decoded, when they are not in the cache yet.
        progress: Called with the number of steps done and a note.
        say: Called with sentences for the user.

    Returns:
        The run's manifest.
    """
    from models.training.callbacks import Callbacks
    from models.training.fit import fit
    from models.weights.daclip import is_near
    from models.weights.opened import open_weights

    cache = open_cache(dataset, "train", progress=decoding, announce=say)
    facts: dict[str, Any] = {"name": dataset.name, "digest": dataset.digest}
    if recipe.task == "daclip":
        facts["captioner"] = dataset.captions("train")[0]["captioner"]
    # Digested and loaded as one and the same, however often the file is replaced meanwhile.
    conditioner = open_weights(daclip) if daclip is not None else None
    if recipe.task != "daclip" and conditioner is not None:
        facts["daclip_sha256"] = conditioner.digest
        if not is_near(os.path.relpath(conditioner.path, out)) and fabric.is_global_zero:
            say(f"{conditioner.path} does not lie beside {out}: later commands need it as --daclip")
    share = recipe.validation.held_out if recipe.validation else 0.0
    kept_out = [int(row) for row in held_out(cache, share=share)] if share else []
    if workers is None:
        workers = 1 if fabric.device.type == "cpu" else min(8, max((os.cpu_count() or 1) // fabric.world_size, 1))
    make = RECIPES.load(recipe.name)
    return fit(
        lambda: make(recipe, daclip=conditioner),
        lambda start: _batches(recipe, dataset, cache, fabric, start=start, exclude=kept_out, workers=workers),
        recipe,
        out,
        dataset=facts,
        inputs=_inputs(recipe, dataset, share),
        tool=__version__,
        fabric=fabric,
        init=init,
        partial=partial,
        callbacks=Callbacks(
            validation=_validation(recipe, dataset, cache, kept_out) if recipe.validation else None,
            keys=lambda rows: [cache.key(row) for row in rows],
            progress=progress,
            say=say,
            wandb=wandb,
        ),
    )


def _batches(
    recipe: Recipe,
    dataset: Dataset,
    cache: DecodedCache,
    fabric: Fabric,
    *,
    start: int,
    exclude: list[int],
    workers: int,
) -> Iterator[Any]:
    """Return this process's batches from a step on."""
    shared: dict[str, Any] = {
        "seed": recipe.seed,
        "start": start,
        "exclude": exclude,
        "rank": fabric.global_rank,
        "world_size": fabric.world_size,
        "workers": workers,
    }
    if recipe.task != "daclip":
        return restoration_batches(
            cache,
            batch_size=recipe.batch_size,
            patch_size=recipe.patch_size,
            phases=recipe.phases(),
            sampling=recipe.sampling,
            second_crop=RECIPES[recipe.name].second_crop,
            **shared,
        )
    total = min(recipe.batch_size, len(cache) - len(exclude))
    batches = daclip_batches(
        cache,
        _captions(dataset, "train"),
        batch_size=total,
        image_size=recipe.patch_size,
        context_length=_context_length(recipe),
        flips=recipe.flips,
        clean=recipe.content_l1 > 0,
        **shared,
    )
    return _with_place(batches, first=fabric.global_rank * total // fabric.world_size, total=total)


def _with_place(batches: Iterator[Any], *, first: int, total: int) -> Iterator[Any]:
    """Say in each batch where it lies in the whole: a small set makes smaller batches than the recipe's."""
    import torch

    for batch in batches:
        yield {**batch, "place": torch.tensor([first, total])}


def _validation(
    recipe: Recipe, dataset: Dataset, cache: DecodedCache, kept_out: list[int]
) -> Callable[[], Iterable[Mapping[str, Any]]]:
    """Return what gives the validation batches, from what is kept out of training or from another split."""
    settings = recipe.validation
    assert settings is not None
    split = "train" if kept_out else settings.split
    source = cache if kept_out else open_cache(dataset, split)
    shared: dict[str, Any] = {
        "per_type": settings.per_type,
        "batch_size": settings.batch_size,
        "rows": kept_out or None,
    }
    if recipe.task != "daclip":
        return lambda: validation_batches(source, size=settings.size, **shared)
    captions, context = _captions(dataset, split), _context_length(recipe)
    return lambda: daclip_validation(source, captions, image_size=recipe.patch_size, context_length=context, **shared)


def _inputs(recipe: Recipe, dataset: Dataset, share: float) -> dict[str, str]:
    """Return the digests of what a recipe reads beside the images: captions can change under the same images."""
    if recipe.task != "daclip":
        return {}
    from models.files import sha256_json

    read = ["train", *([recipe.validation.split] if recipe.validation and not share else [])]
    return {f"captions_{split}_sha256": sha256_json(_captions(dataset, split)) for split in read}


def _captions(dataset: Dataset, split: str) -> list[str]:
    return [row["caption"] for row in dataset.captions(split)]


def _context_length(recipe: Recipe) -> int:
    from models.daclip.config import resolve

    return int(resolve(recipe.arch.get("clip", ""))["text_cfg"].get("context_length", 77))
