"""RainDrop: photos through glass with and without drops on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.samples import Rejected, Sample

FOLDERS = {"train": "train", "test": "test_a"}
"""The paper tests on `test_a`, the better aligned half; `test_b` is left alone."""


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of RainDrop.

    Arguments:
        tree: Holds `{train,test_a}/{data,gt}` with `<n>_rain` beside `<n>_clean`.

    Raises:
        UserError: No such folders, or no image has a partner.

    References:
        Attentive Generative Adversarial Network for Raindrop Removal from a Single Image (Qian et al., CVPR 2018)
        https://arxiv.org/abs/1711.10098
    """
    folders = by_folder(tree)
    found = False
    for split, folder in FOLDERS.items():
        drops, clean = (images_in(folders, f"{folder}/{role}") for role in ("data", "gt"))
        if drops or clean:
            found = True
            yield from pair_samples(
                named(drops, scene), named(clean, scene), source="raindrop", split=split, degradation="raindrop"
            )
    if not found:
        raise not_this_source(SOURCES["raindrop"], tree.where)


def scene(entry: Entry) -> str:
    """Return the number of a file: `0` of `0_rain.png` and of `0_clean.png`."""
    return re.sub(r"_(rain|clean)$", "", entry.path.stem)
