"""RainDrop: photos through glass with and without drops on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmark.sources.cards import NO_LICENCE, SourceCard, SourceFile
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import by_folder, images_in, named, pair_samples
from benchmark.sources.samples import Rejected, Sample

CARD = SourceCard(
    name="raindrop",
    target="benchmark.sources.raindrop:read",
    title="RainDrop",
    degradations=("raindrop",),
    counts={"train": {"raindrop": 861}, "test": {"raindrop": 58}},
    licence=NO_LICENCE,
    citation="Qian et al., Attentive Generative Adversarial Network for Raindrop Removal from a Single Image, "
    "CVPR 2018",
    bibtex="""@inproceedings{qian2018attentive,
  author = {Qian, Rui and Tan, Robby T. and Yang, Wenhan and Su, Jiajun and Liu, Jiaying},
  title = {Attentive Generative Adversarial Network for Raindrop Removal from a Single Image},
  booktitle = {CVPR},
  year = {2018}
}""",
    obtain="https://github.com/rui1996/DeRaindrop (train.zip and test_a.zip)",
    layout="train/{data,gt} and test_a/{data,gt} with <n>_rain beside <n>_clean (test_b is not used)",
    files=(
        SourceFile("train.zip", page="https://github.com/rui1996/DeRaindrop", holds="data/*_rain.*"),
        SourceFile("test_a.zip", page="https://github.com/rui1996/DeRaindrop", holds="data/*_rain.*"),
    ),
)

FOLDERS = {"train": "train", "test": "test_a"}
"""The paper tests on `test_a`, the better aligned half; `test_b` is left alone."""


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of RainDrop.

    Arguments:
        tree: Holds `{train,test_a}/{data,gt}` with `<n>_rain` beside `<n>_clean`.

    Raises:
        UserError: No image has a partner.

    References:
        Attentive Generative Adversarial Network for Raindrop Removal from a Single Image (Qian et al., CVPR 2018)
        https://arxiv.org/abs/1711.10098
    """
    folders = by_folder(tree)
    for split, folder in FOLDERS.items():
        drops, clean = (images_in(folders, f"{folder}/{role}") for role in ("data", "gt"))
        if drops or clean:
            yield from pair_samples(
                named(drops, scene), named(clean, scene), source="raindrop", split=split, degradation="raindrop"
            )


def scene(entry: Entry) -> str:
    """Return the number of a file: `0` of `0_rain.png` and of `0_clean.png`."""
    return re.sub(r"_(rain|clean)$", "", entry.path.stem)
