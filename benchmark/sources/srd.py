"""SRD: outdoor photos with a cast shadow and without it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmark.sources.cards import NO_LICENCE, SourceCard, SourceFile
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import by_folder, named, pair_samples, split_of
from benchmark.sources.samples import Rejected, Sample
from models.vocabulary import SPLITS

CARD = SourceCard(
    name="srd",
    target="benchmark.sources.srd:read",
    title="SRD",
    degradations=("shadowed",),
    counts={"train": {"shadowed": 2680}, "test": {"shadowed": 408}},
    licence=NO_LICENCE,
    citation="Qu et al., DeshadowNet: A Multi-Context Embedding Deep Network for Shadow Removal, CVPR 2017",
    bibtex="""@inproceedings{qu2017deshadownet,
  author = {Qu, Liangqiong and Tian, Jiandong and He, Shengfeng and Tang, Yandong and Lau, Rynson W. H.},
  title = {{DeshadowNet}: A Multi-Context Embedding Deep Network for Shadow Removal},
  booktitle = {CVPR},
  year = {2017}
}""",
    obtain="https://github.com/jinyeying/DC-ShadowNet-Hard-and-Soft-Shadow-Removal (SRD train and test)",
    layout="a train and a test folder, each with shadow/<name> and shadow_free/<name>_no_shadow or <name>_free",
    files=(
        SourceFile(
            "SRD*",
            page="https://github.com/jinyeying/DC-ShadowNet-Hard-and-Soft-Shadow-Removal",
            note="two downloads, train and test; how they are called differs from mirror to mirror",
        ),
    ),
)

SHADOW_FOLDERS = ("shadow", "train_a", "test_a")
FREE_FOLDERS = ("shadow_free", "shadowfree", "train_c", "test_c")
"""As the authors call them, and as copies do that add masks in a `_B` folder."""


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of SRD.

    Arguments:
        tree: A folder with "train" and one with "test" in its name, each with `shadow/<name>` and
            `shadow_free/<name>_no_shadow` (training) or `<name>_free` (test).

    Raises:
        UserError: No image has a partner.

    References:
        DeshadowNet: A Multi-Context Embedding Deep Network for Shadow Removal (Qu et al., CVPR 2017)
        https://openaccess.thecvf.com/content_cvpr_2017/papers/Qu_DeshadowNet_A_Multi-Context_CVPR_2017_paper.pdf
    """
    groups: dict[tuple[str, bool], list[Entry]] = {(split, free): [] for split in SPLITS for free in (False, True)}
    for folder, entries in by_folder(tree).items():
        split = split_of(folder)
        if split is not None and folder[-1] in SHADOW_FOLDERS + FREE_FOLDERS:
            groups[split, folder[-1] in FREE_FOLDERS] += entries
    for split in SPLITS:
        shadowed, free = groups[split, False], groups[split, True]
        if shadowed or free:
            yield from pair_samples(
                named(shadowed), named(free, scene), source="srd", split=split, degradation="shadowed"
            )


def scene(entry: Entry) -> str:
    """Return the name of the shadowed photo of a clean one: `IMG_1` of `IMG_1_no_shadow` and `IMG_1_free`."""
    return re.sub(r"_(no_?shadow|shadow_?free|free)$", "", entry.path.stem, flags=re.IGNORECASE)
