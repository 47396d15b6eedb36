"""Rain100H: heavy synthetic rain in five streak directions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmark.sources.folders import find_pair, natural_order, pair_samples, require_folder
from benchmark.sources.pairing import pair_by_name, without_role
from benchmark.sources.samples import FileImage, Sample
from models.errors import UserError


def read(root: Path | None) -> Iterator[Sample]:
    """Yield the pairs of Rain100H.

    Arguments:
        root: The folder of the unpacked archives: files `rain-<n>.png` beside `norain-<n>.png` in any folders, those
            under a folder with "train" in its name being the training split; or just the authors' `{LQ,GT}` of the
            test split.

    Raises:
        UserError: No pairs are there, or images have no partner.

    References:
        Deep Joint Rain Detection and Removal from a Single Image (Yang et al., CVPR 2017)
        https://arxiv.org/abs/1609.07769
    """
    root = require_folder(root, "rain100h")
    pair = find_pair(root)
    if pair is not None:
        yield from pair_samples(*pair, source="rain100h", split="test", degradation="rainy")
        return
    clean = sorted(root.rglob("norain-*.png"))
    degraded = sorted(root.rglob("rain-*.png"))
    if not clean or not degraded:
        raise UserError(f"no rain-*.png and norain-*.png files and no {{LQ,GT}} folders in {root}: is this Rain100H?")
    for split in ("train", "test"):
        ours = [
            [p for p in paths if (split == "train") == _in_training(p.relative_to(root))] for paths in (degraded, clean)
        ]
        if not any(ours):
            continue
        pairs = pair_by_name(ours[0], ours[1], rules=(without_role,))
        for degraded_file, clean_file in sorted(pairs, key=lambda files: natural_order(files[0].stem)):
            yield Sample(
                key=f"rain100h/{split}/rainy/{without_role(degraded_file.stem)}",
                degradation="rainy",
                split=split,
                source="rain100h",
                clean=FileImage(clean_file),
                degraded=FileImage(degraded_file),
            )


def _in_training(path: Path) -> bool:
    return any("train" in part.lower() for part in path.parts[:-1])
