"""LIVE1: the 29 reference images of the LIVE quality database, compressed here for the JPEG test set."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, synthetic_samples
from benchmark.sources.samples import Rejected, Sample

DISTORTED = ("jpeg", "jp2k", "wn", "gblur", "fastfading", "lq")
"""Folders of the database and of test suites that hold degraded versions."""


def read(tree: Tree, *, seed: int = 0) -> Iterator[Sample | Rejected]:
    """Yield the JPEG test set: every reference image at quality 10.

    Arguments:
        tree: Holds `refimgs`, or else only the reference images (a `GT` folder counts as such).
        seed: Kept in the samples; compression itself draws nothing.

    Raises:
        UserError: No image that could be a reference image.

    References:
        A Statistical Evaluation of Recent Full Reference Image Quality Assessment Algorithms (Sheikh et al., 2006)
        https://doi.org/10.1109/TIP.2006.881959
    """
    folders = by_folder(tree)
    images = images_in(folders, "refimgs", "gt") or [
        entry for folder, entries in folders.items() if not set(folder) & set(DISTORTED) for entry in entries
    ]
    if not images:
        raise not_this_source(SOURCES["live1"], tree.where)
    word = "jpeg-compressed"
    yield from synthetic_samples(
        named(images), source="live1", split="test", specs={word: DEFAULT_SPECS[word]}, seed=seed
    )
