"""A recipe and a dataset to a run: where the training room meets the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__
from benchmark.batches import daclip_batches, restoration_batches
from benchmark.cache import open_cache
from benchmark.dataset import Dataset
from models.recipes import RECIPES

if TYPE_CHECKING:
    from models.training.recipe import Recipe


def train(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    *,
    daclip: Path | None,
    device: str,
    decoding: Callable[[int], None] = lambda done: None,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Fit a recipe to the training split of a dataset.

    Arguments:
        recipe: What to do.
        dataset: The data; for DA-CLIP with captions.
        out: The run folder.
        daclip: Weights or run of a DA-CLIP, for the recipes that need one.
        device: Where to train.
        decoding: Called with the number of images decoded, when they are not in the cache yet.
        progress: Called with the number of steps done.

    Returns:
        The run's manifest.
    """
    from models.files import sha256_file
    from models.training.loop import fit
    from models.weights import weights_file

    cache = open_cache(dataset, "train", progress=decoding)
    facts: dict[str, Any] = {"name": dataset.name, "digest": dataset.digest}
    if recipe.task == "daclip":
        rows = dataset.captions("train")
        facts["captioner"] = rows[0]["captioner"]
        captions = [row["caption"] for row in rows]
        context = _context_length(recipe)

        def batches(start: int) -> Iterator[Any]:
            return daclip_batches(
                cache,
                captions,
                batch_size=recipe.batch_size,
                image_size=recipe.patch_size,
                context_length=context,
                flips=recipe.flips,
                seed=recipe.seed,
                start=start,
                clean=recipe.content_l1 > 0,
            )
    else:
        if daclip is not None:
            facts["daclip_sha256"] = sha256_file(weights_file(daclip))

        def batches(start: int) -> Iterator[Any]:
            return restoration_batches(
                cache, batch_size=recipe.batch_size, patch_size=recipe.patch_size, seed=recipe.seed, start=start
            )

    make = RECIPES.load(recipe.name)
    return fit(
        lambda: make(recipe, daclip=daclip),
        batches,
        recipe,
        out,
        dataset=facts,
        tool=__version__,
        device=device,
        progress=progress,
    )


def _context_length(recipe: Recipe) -> int:
    from models.daclip.config import resolve

    return int(resolve(recipe.arch.get("clip", ""))["text_cfg"].get("context_length", 77))
