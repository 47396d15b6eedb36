"""GoPro: frames of videos, blurred by averaging neighbouring frames of a high-speed camera."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.samples import Rejected, Sample
from models.vocabulary import SPLITS


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of GoPro; keys end in `<sequence>/<frame>`.

    The frames in `blur` are averaged in linear light, as the paper takes them; `blur_gamma` is left alone.

    Arguments:
        tree: The unpacked archive or the archive itself, with `{train,test}/<sequence>/{blur,sharp}`.

    Raises:
        UserError: No such folders, or no frame has a partner.

    References:
        Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring (Nah et al., CVPR 2017)
        https://arxiv.org/abs/1612.02177
    """
    folders = by_folder(tree)
    found = False
    for split in SPLITS:
        blurred, sharp = (images_in(folders, f"{split}/*/{role}") for role in ("blur", "sharp"))
        if blurred or sharp:
            found = True
            yield from pair_samples(
                named(blurred, frame), named(sharp, frame), source="gopro", split=split, degradation="motion-blurry"
            )
    if not found:
        raise not_this_source(SOURCES["gopro"], tree.where)


def frame(entry: Entry) -> str:
    """Return `<sequence>/<frame>` of a file: frame numbers begin anew in every sequence."""
    return f"{entry.path.parts[-3]}/{entry.path.stem}"
