"""DIV2K: 900 photos of high resolution; compressed and made noisy here."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import named, numbered, synthetic_samples
from benchmark.sources.samples import Rejected, Sample

SPECS = {word: DEFAULT_SPECS[word] for word in ("jpeg-compressed", "noisy")}


def read(tree: Tree, *, seed: int = 0) -> Iterator[Sample | Rejected]:
    """Yield two samples a photo, all for training: the paper trains on the 800 training and the 100 validation photos.

    Arguments:
        tree: Holds `0001.png` to `0900.png` in any folders; the small `*_LR_*` versions are left alone.
        seed: Seed of the noise.

    Raises:
        UserError: No such photos.

    References:
        NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study (Agustsson and Timofte, CVPRW 2017)
        https://data.vision.ee.ethz.ch/cvl/DIV2K/
    """
    photos = numbered(tree, digits=4)
    if not photos:
        raise not_this_source(SOURCES["div2k"], tree.where)
    yield from synthetic_samples(named(photos), source="div2k", split="train", specs=SPECS, seed=seed)
