"""Snow100K: photos with synthetic snow; the paper takes a subset of the training set and of the test set L."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources.cards import NO_LICENCE, SourceCard, SourceFile
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import by_folder, named, pair_samples, split_of
from benchmark.sources.samples import Rejected, Sample
from models.errors import UserError, close_match
from models.vocabulary import SPLITS

CARD = SourceCard(
    name="snow100k",
    target="benchmark.sources.snow100k:read",
    title="Snow100K",
    degradations=("snowy",),
    counts={"train": {"snowy": 1872}, "test": {"snowy": 601}},
    licence=NO_LICENCE,
    citation="Liu et al., DesnowNet: Context-Aware Deep Network for Snow Removal, IEEE TIP 2018",
    bibtex="""@article{liu2018desnownet,
  author = {Liu, Yun-Fu and Jaw, Da-Wei and Huang, Shih-Chia and Hwang, Jenq-Neng},
  title = {{DesnowNet}: Context-Aware Deep Network for Snow Removal},
  journal = {IEEE Transactions on Image Processing},
  volume = {27},
  number = {6},
  pages = {3064--3073},
  year = {2018}
}""",
    obtain="https://sites.google.com/view/yunfuliu/desnownet (Snow100K-training.tar.gz, Snow100K-testset.tar.gz)",
    layout="Snow100K-training/{synthetic,gt} and Snow100K-L/{synthetic,gt}, with beautiful_smile in the names of "
    "the paper's subset",
    files=(
        SourceFile(
            "Snow100K-training.tar.gz",
            page="https://desnownet.s3.amazonaws.com/dataset_synthetic/train/Snow100K-training.tar.gz",
        ),
        SourceFile(
            "Snow100K-testset.tar.gz",
            page="https://desnownet.s3.amazonaws.com/dataset_synthetic/test/Snow100K-testset.tar.gz",
            note="only Snow100K-L is used",
            unpacked=("media", "Snow100K-L"),
        ),
    ),
    options=("subset",),
)

SUBSETS = {"paper": "beautiful_smile", "all": ""}
"""What the names of a subset's images hold: 1,872 and 601 pairs of the paper, or 50,000 and 16,801."""


def read(tree: Tree, *, subset: str = "paper") -> Iterator[Sample | Rejected]:
    """Yield the pairs of Snow100K.

    Arguments:
        tree: Holds `Snow100K-training/{synthetic,gt}` and/or `Snow100K-L/{synthetic,gt}` with equal names; the masks
            and the test sets M and S are left alone.
        subset: `"paper"` for the images that the paper uses, `"all"` for every image.

    Raises:
        UserError: No such folders, an unknown subset, or no image has a partner.

    References:
        DesnowNet: Context-Aware Deep Network for Snow Removal (Liu et al., 2018) https://arxiv.org/abs/1708.04512
    """
    if subset not in SUBSETS:
        known = ", ".join(SUBSETS)
        raise UserError(f"snow100k has no subset {subset!r}{close_match(subset, SUBSETS)} (known: {known})")
    groups: dict[tuple[str, str], list[Entry]] = {(split, role): [] for split in SPLITS for role in ("synthetic", "gt")}
    for folder, entries in by_folder(tree).items():
        split = split_of(folder[:-1], train="train", test=r"^snow100k-[lms]$")
        small = any(name in ("snow100k-m", "snow100k-s") for name in folder)
        if folder[-1] in ("synthetic", "gt") and split is not None and not small:
            groups[split, folder[-1]] += [entry for entry in entries if SUBSETS[subset] in entry.path.name]
    for split in SPLITS:
        snowy, clean = groups[split, "synthetic"], groups[split, "gt"]
        if snowy or clean:
            yield from pair_samples(named(snowy), named(clean), source="snow100k", split=split, degradation="snowy")
