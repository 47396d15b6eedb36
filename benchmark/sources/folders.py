"""Two folders of equal names - degraded and clean - as samples; shared by the sources that come as pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmark.sources.pairing import pair_by_name
from benchmark.sources.samples import FileImage, Sample
from models.errors import UserError
from models.images import list_images

FOLDER_NAMES = (("LQ", "GT"), ("low", "high"), ("degraded", "clean"))
"""Names under which a pair of folders is recognised, degraded first."""


def find_pair(folder: Path) -> tuple[Path, Path] | None:
    """Return the degraded and the clean folder inside `folder`, or None when there is no such pair."""
    for degraded, clean in FOLDER_NAMES:
        if (folder / degraded).is_dir() and (folder / clean).is_dir():
            return folder / degraded, folder / clean
    return None


def require_folder(root: Path | None, source: str) -> Path:
    """Return `root` when it is a folder.

    Raises:
        UserError: It is missing; the message says how a folder is given.
    """
    if root is None:
        raise UserError(f"source {source!r} needs its folder: --source {source}=PATH")
    if not root.is_dir():
        raise UserError(f"folder of source {source!r} not found: {root}")
    return root


def pair_samples(
    degraded: Path,
    clean: Path,
    *,
    source: str,
    split: str,
    degradation: str,
    captions: dict[str, str] | None = None,
) -> Iterator[Sample]:
    """Yield one sample a pair of the two folders.

    Arguments:
        degraded: Folder of degraded images.
        clean: Folder of clean images.
        source: Name of the source, first part of every key.
        split: `"train"` or `"test"`.
        degradation: The type of all pairs.
        captions: Caption of a degraded file by its file name, when the source brings captions.
    """
    pairs = pair_by_name(list_images(degraded), list_images(clean))
    for degraded_file, clean_file in sorted(pairs, key=lambda pair: natural_order(pair[0].stem)):
        yield Sample(
            key=f"{source}/{split}/{degradation}/{degraded_file.stem}",
            degradation=degradation,
            split=split,
            source=source,
            clean=FileImage(clean_file),
            degraded=FileImage(degraded_file),
            caption=(captions or {}).get(degraded_file.name),
        )


def natural_order(stem: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which `2` comes before `10`."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for character in [*stem, ""]:
        if character.isdigit() and character.isascii():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), digits))
            digits = ""
        if character:
            parts.append((1, 0, character))
    return tuple(parts)
