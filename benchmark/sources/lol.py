"""LOL: photos taken with a short and a normal exposure of the same scene."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources.cards import NO_LICENCE, SourceCard, SourceFile
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.samples import Rejected, Sample

CARD = SourceCard(
    name="lol",
    target="benchmark.sources.lol:read",
    title="LOL",
    degradations=("low-light",),
    counts={"train": {"low-light": 485}, "test": {"low-light": 15}},
    licence=NO_LICENCE,
    citation="Wei et al., Deep Retinex Decomposition for Low-Light Enhancement, BMVC 2018",
    bibtex="""@inproceedings{wei2018deep,
  author = {Wei, Chen and Wang, Wenjing and Yang, Wenhan and Liu, Jiaying},
  title = {Deep Retinex Decomposition for Low-Light Enhancement},
  booktitle = {BMVC},
  year = {2018}
}""",
    obtain="https://daooshee.github.io/BMVC2018website/ (LOLdataset.zip)",
    layout="our485/{low,high} and eval15/{low,high}; or {LQ,GT} or {low,high} alone for the test split",
    files=(
        SourceFile(
            "LOLdataset.zip",
            page="https://daooshee.github.io/BMVC2018website/",
            note="both splits",
            unpacked=("our485", "eval15"),
        ),
    ),
)


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of LOL.

    Arguments:
        tree: Holds `our485/{low,high}` and/or `eval15/{low,high}`, or just the two folders of the test split
            (`{low,high}` or the authors' `{LQ,GT}`).

    Raises:
        UserError: No image has a partner.

    References:
        Deep Retinex Decomposition for Low-Light Enhancement (Wei et al., BMVC 2018) https://arxiv.org/abs/1808.04560
    """
    folders = by_folder(tree)
    places = [("train", "our485/low", "our485/high"), ("test", "eval15/low", "eval15/high")]
    if not any(images_in(folders, low, high) for _, low, high in places):
        places = [("test", "low", "high")] if images_in(folders, "low") else [("test", "lq", "gt")]
    for split, low, high in places:
        dark, bright = images_in(folders, low), images_in(folders, high)
        if dark or bright:
            yield from pair_samples(named(dark), named(bright), source="lol", split=split, degradation="low-light")
