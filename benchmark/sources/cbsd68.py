"""CBSD68: 68 colour photos of the Berkeley segmentation data, made noisy here for the denoising test set."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.degradations.specs.pipeline import DEFAULT_SPECS
from benchmark.sources.cards import SourceCard, SourceFile
from benchmark.sources.files.tree import Tree
from benchmark.sources.folders import by_folder, images_in, named, synthetic_samples
from benchmark.sources.samples import Rejected, Sample

CARD = SourceCard(
    name="cbsd68",
    target="benchmark.sources.cbsd68:read",
    title="CBSD68",
    degradations=("noisy",),
    counts={"test": {"noisy": 68}},
    licence="non-commercial research and education (Berkeley segmentation data)",
    citation="Martin et al., A Database of Human Segmented Natural Images and its Application to Evaluating "
    "Segmentation Algorithms and Measuring Ecological Statistics, ICCV 2001",
    bibtex="""@inproceedings{martin2001database,
  author = {Martin, David and Fowlkes, Charless and Tal, Doron and Malik, Jitendra},
  title = {A Database of Human Segmented Natural Images and its Application to Evaluating Segmentation Algorithms and
           Measuring Ecological Statistics},
  booktitle = {ICCV},
  year = {2001}
}""",
    obtain="https://github.com/clausmichele/CBSD68-dataset (CBSD68)",
    layout="original_png/*.png (noisy* is not used); or a folder with nothing but the 68 images",
    files=(
        SourceFile("CBSD68*", page="https://github.com/clausmichele/CBSD68-dataset", note="only original_png is used"),
    ),
    options=("seed",),
)


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
        return
    yield from synthetic_samples(
        named(images), source="cbsd68", split="test", specs={"noisy": DEFAULT_SPECS["noisy"]}, seed=seed
    )
