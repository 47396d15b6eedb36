"""Rain100H: heavy synthetic rain in five streak directions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmark.sources.cards import NO_LICENCE, SourceCard, SourceFile
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import Folder, by_folder, named, pair_samples, split_of
from benchmark.sources.samples import Rejected, Sample
from models.vocabulary import SPLITS

CARD = SourceCard(
    name="rain100h",
    target="benchmark.sources.rain100h:read",
    title="Rain100H",
    degradations=("rainy",),
    counts={"train": {"rainy": 1800}, "test": {"rainy": 100}},
    licence=NO_LICENCE,
    citation="Yang et al., Deep Joint Rain Detection and Removal from a Single Image, CVPR 2017",
    bibtex="""@inproceedings{yang2017deep,
  author = {Yang, Wenhan and Tan, Robby T. and Feng, Jiashi and Liu, Jiaying and Guo, Zongming and Yan, Shuicheng},
  title = {Deep Joint Rain Detection and Removal from a Single Image},
  booktitle = {CVPR},
  year = {2017}
}""",
    obtain="https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html (RainTrainH.zip and Rain100H.zip)",
    layout="RainTrainH and Rain100H with norain-<n>.png for each rain-<n>.png; or {LQ,GT} alone for the test split",
    files=(
        SourceFile("RainTrainH.zip", page="http://www.icst.pku.edu.cn/struct/att/RainTrainH.zip", note="train"),
        SourceFile("Rain100H.zip", page="http://www.icst.pku.edu.cn/struct/att/Rain100H.zip", note="test"),
        SourceFile("rain_data_train_Heavy*", note="the same pairs under later names"),
        SourceFile("rain_data_test_Heavy*", note="a later test set of 200 pairs: its count differs from the paper's"),
    ),
)

RAINY_FOLDERS = ("rain", "rainy", "rainy_image", "input", "lq")
CLEAN_FOLDERS = ("norain", "clean", "target", "gt")


def read(tree: Tree) -> Iterator[Sample | Rejected]:
    """Yield the pairs of Rain100H.

    Arguments:
        tree: Files `rain-<n>.png` and `norain-<n>.png` in any folders, those under a folder with "train" in its name
            being the training split. Copies with folders `rain` and `norain`, where both files may be called
            `norain-<n>`, are understood too; so is the authors' `{LQ,GT}` of the test split alone.

    Raises:
        UserError: No such files, or no image has a partner.

    References:
        Deep Joint Rain Detection and Removal from a Single Image (Yang et al., CVPR 2017)
        https://arxiv.org/abs/1609.07769
    """
    folders = by_folder(tree)
    # A folder called `rain` tells something only beside one called `norain`; one may keep rain sets in it.
    paired = {f[:n] for f in folders for n, part in enumerate(f) if part in CLEAN_FOLDERS}
    groups: dict[tuple[str, bool], list[Entry]] = {(split, rainy): [] for split in SPLITS for rainy in (True, False)}
    for folder, entries in folders.items():
        split = split_of(folder, test="test|100h") or "test"
        by_place = _role(folder, paired)
        for entry in entries:
            rainy = _rainy(entry) if by_place is None else by_place
            if rainy is not None:
                groups[split, rainy].append(entry)
    for split in SPLITS:
        rain, clean = groups[split, True], groups[split, False]
        if rain or clean:
            yield from pair_samples(
                named(rain, scene), named(clean, scene), source="rain100h", split=split, degradation="rainy"
            )


def _role(folder: Folder, paired: set[Folder]) -> bool | None:
    """Return whether a folder holds the rainy images of its pairs; None when it may hold both."""
    for place in reversed(range(len(folder))):
        if folder[:place] in paired and folder[place] in RAINY_FOLDERS + CLEAN_FOLDERS:
            return folder[place] in RAINY_FOLDERS
    return None


def _rainy(entry: Entry) -> bool | None:
    """Return whether a file is the rainy one of its pair by its name; None when the name does not tell."""
    word = re.match(r"(no)?rain[-_]?\d", entry.path.stem.lower())
    return None if word is None else word.group(1) is None


def scene(entry: Entry) -> str:
    """Return the number of a file: `1` of `rain-1.png`, `norain-1.png` and `norain-1x2.png`."""
    return re.sub(r"^(no)?rain[-_]?|(?<=\d)x\d$", "", entry.path.stem.lower())
