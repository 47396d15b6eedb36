"""LOL: photos taken with a short and a normal exposure of the same scene."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.samples import Rejected, Sample


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of LOL.

    Arguments:
        tree: Holds `our485/{low,high}` and/or `eval15/{low,high}`, or just the two folders of the test split
            (`{low,high}` or the authors' `{LQ,GT}`).

    Raises:
        UserError: None of these folders is there, or no image has a partner.

    References:
        Deep Retinex Decomposition for Low-Light Enhancement (Wei et al., BMVC 2018) https://arxiv.org/abs/1808.04560
    """
    folders = by_folder(tree)
    places = [("train", "our485/low", "our485/high"), ("test", "eval15/low", "eval15/high")]
    if not any(images_in(folders, low, high) for _, low, high in places):
        places = [("test", "low", "high")] if images_in(folders, "low") else [("test", "lq", "gt")]
    found = False
    for split, low, high in places:
        dark, bright = images_in(folders, low), images_in(folders, high)
        if dark or bright:
            found = True
            yield from pair_samples(named(dark), named(bright), source="lol", split=split, degradation="low-light")
    if not found:
        raise not_this_source(SOURCES["lol"], tree.where)
