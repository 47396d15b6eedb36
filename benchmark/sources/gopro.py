"""GoPro: frames of videos, blurred by averaging neighbouring frames of a high-speed camera."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources.cards import SourceCard, SourceFile
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.samples import Rejected, Sample
from models.vocabulary import SPLITS

CARD = SourceCard(
    name="gopro",
    target="benchmark.sources.gopro:read",
    title="GoPro",
    degradations=("motion-blurry",),
    counts={"train": {"motion-blurry": 2103}, "test": {"motion-blurry": 1111}},
    licence="CC BY 4.0",
    spdx="CC-BY-4.0",
    redistribution=True,
    citation="Nah et al., Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring, CVPR 2017",
    bibtex="""@inproceedings{nah2017deep,
  author = {Nah, Seungjun and Kim, Tae Hyun and Lee, Kyoung Mu},
  title = {Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring},
  booktitle = {CVPR},
  year = {2017}
}""",
    obtain="https://seungjunnah.github.io/Datasets/gopro (GOPRO_Large.zip)",
    layout="{train,test}/<sequence>/{blur,sharp}/*.png (blur_gamma is not used)",
    files=(SourceFile("GOPRO_Large.zip", page="https://seungjunnah.github.io/Datasets/gopro", note="both splits"),),
)


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of GoPro; keys end in `<sequence>/<frame>`.

    The frames in `blur` are averaged in linear light, as the paper takes them; `blur_gamma` is left alone.

    Arguments:
        tree: The unpacked archive or the archive itself, with `{train,test}/<sequence>/{blur,sharp}`.

    Raises:
        UserError: No frame has a partner.

    References:
        Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring (Nah et al., CVPR 2017)
        https://arxiv.org/abs/1612.02177
    """
    folders = by_folder(tree)
    for split in SPLITS:
        blurred, sharp = (images_in(folders, f"{split}/*/{role}") for role in ("blur", "sharp"))
        if blurred or sharp:
            yield from pair_samples(
                named(blurred, frame), named(sharp, frame), source="gopro", split=split, degradation="motion-blurry"
            )


def frame(entry: Entry) -> str:
    """Return `<sequence>/<frame>` of a file: frame numbers begin anew in every sequence."""
    return f"{entry.path.parts[-3]}/{entry.path.stem}"
