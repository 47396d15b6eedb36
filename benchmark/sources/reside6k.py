"""RESIDE-6k: indoor and outdoor photos with synthetic haze, 6,000 for training and 1,000 for testing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.pairing import SAME, VERSIONS
from benchmark.sources.samples import Rejected, Sample
from models.vocabulary import SPLITS


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of RESIDE-6k.

    Arguments:
        tree: Holds `{train,test}/{hazy,GT}` with equal names. Other selections of RESIDE call the clean folder `clear`
            and name hazy images `<clean>_<airlight>_<scattering>`; both are understood.

    Raises:
        UserError: No such folders, or no image has a partner.

    References:
        Benchmarking Single-Image Dehazing and Beyond (Li et al., 2019) https://arxiv.org/abs/1712.04143
        Vision Transformers for Single Image Dehazing (Song et al., 2023) https://arxiv.org/abs/2204.03883
    """
    folders = by_folder(tree)
    found = False
    for split in SPLITS:
        hazy = images_in(folders, f"{split}/hazy")
        clear = images_in(folders, f"{split}/gt", f"{split}/clear", f"{split}/clean")
        if hazy or clear:
            found = True
            yield from pair_samples(
                named(hazy),
                named(clear),
                source="reside6k",
                split=split,
                degradation="hazy",
                rules=(SAME, VERSIONS),
            )
    if not found:
        raise not_this_source(SOURCES["reside6k"], tree.where)
