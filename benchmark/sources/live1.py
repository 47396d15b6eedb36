"""LIVE1: the 29 reference images of the LIVE quality database, compressed here for the JPEG test set."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources.cards import SourceCard, SourceFile
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, synthetic_samples
from benchmark.sources.samples import Rejected, Sample

CARD = SourceCard(
    name="live1",
    target="benchmark.sources.live1:read",
    title="LIVE1",
    degradations=("jpeg-compressed",),
    counts={"test": {"jpeg-compressed": 29}},
    licence="free to copy and distribute as long as the copyright notice of the University of Texas at Austin goes "
    "with it; some photos come from a commercial CD",
    citation="Sheikh et al., A Statistical Evaluation of Recent Full Reference Image Quality Assessment "
    "Algorithms, IEEE TIP 2006",
    bibtex="""@article{sheikh2006statistical,
  author = {Sheikh, Hamid R. and Sabir, Muhammad F. and Bovik, Alan C.},
  title = {A Statistical Evaluation of Recent Full Reference Image Quality Assessment Algorithms},
  journal = {IEEE Transactions on Image Processing},
  volume = {15},
  number = {11},
  pages = {3440--3451},
  year = {2006}
}""",
    obtain="https://live.ece.utexas.edu/research/quality/subjective.htm (databaserelease2.zip)",
    layout="refimgs/*.bmp, the 29 reference images; or a folder with nothing but these",
    files=(
        SourceFile(
            "databaserelease2.zip",
            page="https://live.ece.utexas.edu/research/quality/subjective.htm",
            note="only refimgs is used",
        ),
        SourceFile("LIVE1*", note="the reference images alone, as many test suites carry them"),
    ),
    options=("seed",),
)

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
        return
    word = "jpeg-compressed"
    yield from synthetic_samples(
        named(images), source="live1", split="test", specs={word: DEFAULT_SPECS[word]}, seed=seed
    )
