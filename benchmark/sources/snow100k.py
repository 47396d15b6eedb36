"""Snow100K: photos with synthetic snow; the paper takes a subset of the training set and of the test set L."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.sources import SOURCES
from benchmark.sources.cards import not_this_source
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import by_folder, named, pair_samples, split_of
from benchmark.sources.samples import Rejected, Sample
from models.errors import UserError, close_match
from models.vocabulary import SPLITS

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
    if not any(groups.values()):
        raise not_this_source(SOURCES["snow100k"], tree.where)
    for split in SPLITS:
        snowy, clean = groups[split, "synthetic"], groups[split, "gt"]
        if snowy or clean:
            yield from pair_samples(named(snowy), named(clean), source="snow100k", split=split, degradation="snowy")
