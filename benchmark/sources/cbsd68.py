"""CBSD68: 68 colour photos of the Berkeley segmentation data, made noisy here for the denoising test set."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, synthetic_samples
from benchmark.sources.samples import Rejected, Sample


def read(tree: Tree, *, seed: int = 0) -> Iterator[Sample | Rejected]:
    """Yield the noise test set: every photo with Gaussian noise of standard deviation 50 (of 255).

    Arguments:
        tree: Holds `original_png`, or else only the photos (a `GT` folder counts as such); `noisy*` is left alone.
        seed: Seed of the noise.

    Raises:
        UserError: No image that could be one of the photos.

    References:
        A Database of Human Segmented Natural Images and its Application to Evaluating Segmentation Algorithms and
        Measuring Ecological Statistics (Martin et al., ICCV 2001) https://doi.org/10.1109/ICCV.2001.937655
    """
    folders = by_folder(tree)
    images = images_in(folders, "original_png", "gt") or [
        entry
        for folder, entries in folders.items()
        if not any(name.startswith("noisy") or name == "lq" for name in folder)
        for entry in entries
    ]
    if not images:
        raise not_this_source(SOURCES["cbsd68"], tree.where)
    yield from synthetic_samples(
        named(images), source="cbsd68", split="test", specs={"noisy": DEFAULT_SPECS["noisy"]}, seed=seed
    )
