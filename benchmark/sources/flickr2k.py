"""Flickr2K: 2,650 photos of high resolution; compressed and made noisy here."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.div2k import SPECS
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import named, numbered, synthetic_samples
from benchmark.sources.samples import Rejected, Sample


def read(tree: Tree, *, seed: int = 0) -> Iterator[Sample | Rejected]:
    """Yield two samples a photo, all for training.

    Arguments:
        tree: Holds `000001.png` to `002650.png` in any folders; the small `*_LR_*` versions are left alone.
        seed: Seed of the noise.

    Raises:
        UserError: No such photos.

    References:
        Enhanced Deep Residual Networks for Single Image Super-Resolution (Lim et al., CVPRW 2017)
        https://arxiv.org/abs/1707.02921
    """
    photos = numbered(tree, digits=6)
    if not photos:
        raise not_this_source(SOURCES["flickr2k"], tree.where)
    yield from synthetic_samples(named(photos), source="flickr2k", split="train", specs=SPECS, seed=seed)
