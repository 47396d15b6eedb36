"""LOL: photos taken with a short and a normal exposure of the same scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmark.sources.folders import find_pair, pair_samples, require_folder
from benchmark.sources.samples import Sample
from models.errors import UserError


def read(root: Path | None) -> Iterator[Sample]:
    """Yield the pairs of LOL.

    Arguments:
        root: A folder holding `our485/{low,high}` and/or `eval15/{low,high}`, or just the two folders of the test split
            (`{low,high}` or the authors' `{LQ,GT}`).

    Raises:
        UserError: None of these folders is there, or images have no partner.

    References:
        Deep Retinex Decomposition for Low-Light Enhancement (Wei et al., BMVC 2018) https://arxiv.org/abs/1808.04560
    """
    root = require_folder(root, "lol")
    folders = [(split, find_pair(root / name)) for name, split in (("our485", "train"), ("eval15", "test"))]
    folders = [(split, pair) for split, pair in folders if pair] or [("test", find_pair(root))]
    for split, pair in folders:
        if pair is None:
            raise UserError(f"no our485/, eval15/, {{low,high}} or {{LQ,GT}} folders in {root}: is this LOL?")
        yield from pair_samples(*pair, source="lol", split=split, degradation="low-light")
