"""Captions out of the authors' files `daclip_train.csv` and `daclip_val.csv`, given to the rows of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioning.captioners.contract import CleanImage, look_up
from captioning.captioners.sidecar import SidecarCaptioner
from captioning.titles import SPLIT_NAMES, Title, parse_titles
from models.errors import UserError
from models.files import sha256_bytes


@dataclass(frozen=True)
class NamedRow:
    """A pair of a dataset and the names under which the authors' files may know it.

    Arguments:
        key: Its key.
        split: `"train"` or `"test"`.
        degradation: Its type.
        clean_sha256: Digest of its clean image.
        names: File stems that its degraded image may have there, the likeliest first.
    """

    key: str
    split: str
    degradation: str
    clean_sha256: str
    names: tuple[str, ...]


class CsvCaptioner(SidecarCaptioner):
    """Looks captions up in the authors' files, by type and file name of the degraded image.

    Captions belong to clean images. When the rows of one clean image carry different captions (the files allow it, the
    authors' own tool cannot make it), the first row in the dataset's order wins and the others are counted.

    Arguments:
        files: Caption files, or folders that hold `daclip_train.csv` and/or `daclip_val.csv`.
        rows: All pairs of the dataset, in order.

    Raises:
        UserError: A file is missing or broken, or none of its rows fits any pair.
    """

    name = "csv"

    def __init__(self, files: Sequence[Path], rows: Iterable[NamedRow]) -> None:
        contents = [(path, path.read_bytes()) for given in files for path in caption_files(given)]
        titles = [title for path, data in contents for title in parse_titles(data, name=str(path))]
        found = match_titles(titles, rows)
        if not found.captions:
            example = f" (e.g. {titles[0].degradation}/{titles[0].name})" if titles else ""
            raise UserError(
                f"none of the {len(titles)} rows of {', '.join(str(path) for path, _ in contents)} fits a pair of this "
                f"dataset{example}: give the files that belong to it"
            )
        super().__init__(found.captions)
        self.conflicts = found.conflicts
        self.unused = found.unused
        self.revision = f"sha256:{sha256_bytes(b''.join(data for _, data in contents))[:16]}"

    @property
    def notes(self) -> list[str]:
        """What a user should know about how the files fit the dataset."""
        told = []
        if self.conflicts:
            told.append(
                f"{len(self.conflicts)} pairs (e.g. {self.conflicts[0]}) have a caption that differs from that of an "
                "earlier pair of the same clean image: the earlier one is used for both"
            )
        if self.unused:
            told.append(f"{self.unused} rows of the caption files fit no pair of this dataset and are not used")
        return told

    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        """Return the captions of `images`.

        Raises:
            UserError: An image has none; its key is named.
        """
        return look_up(
            self._captions,
            images,
            missing="no caption for {key} in the caption files: add a row for its degraded image, or choose a "
            "captioner that looks at images (blip-large, or the folder of a model)",
        )


@dataclass(frozen=True)
class Matched:
    """What came of matching.

    Arguments:
        captions: Caption by digest of the clean image.
        conflicts: Keys of the pairs whose caption differs from the one that their clean image got.
        unused: Number of titles that fit no pair.
    """

    captions: Mapping[str, str]
    conflicts: tuple[str, ...]
    unused: int


def match_titles(titles: Sequence[Title], rows: Iterable[NamedRow]) -> Matched:
    """Give the captions of the authors' files to the rows of a dataset.

    A title fits a row when type and split are equal and its file stem is one of the row's names. A stem that two
    files or two rows share identifies nothing and is passed over.

    Arguments:
        titles: Rows of the caption files.
        rows: Pairs of the dataset, in order.
    """
    known: dict[tuple[str, str, str], list[Title]] = {}
    for title in titles:
        for split in (title.split,) if title.split else ("train", "test"):
            known.setdefault((split, title.degradation, title.stem), []).append(title)
    pairs = list(rows)
    owners: dict[tuple[str, str, str], int] = {}
    for row in pairs:
        for name in set(row.names):
            place = (row.split, row.degradation, name)
            owners[place] = owners.get(place, 0) + 1
    captions: dict[str, str] = {}
    conflicts: list[str] = []
    used: set[int] = set()
    for row in pairs:
        for name in row.names:
            place = (row.split, row.degradation, name)
            fitting = known.get(place, [])
            if owners[place] > 1 or len({title.caption for title in fitting}) != 1:
                continue
            used |= {id(title) for title in fitting}
            if captions.setdefault(row.clean_sha256, fitting[0].caption) != fitting[0].caption:
                conflicts.append(row.key)
            break
    return Matched(captions, tuple(conflicts), len(titles) - len(used))


def caption_files(path: Path) -> list[Path]:
    """Return the caption files that `path` means: itself, or those of the authors' names in a folder.

    Raises:
        UserError: There is none.
    """
    if path.is_file():
        return [path]
    found = [path / f"daclip_{name}.csv" for name in SPLIT_NAMES if (path / f"daclip_{name}.csv").is_file()]
    if not found:
        what = "holds neither daclip_train.csv nor daclip_val.csv" if path.is_dir() else "does not exist"
        raise UserError(f"caption file {path} {what}: give the file or its folder")
    return found
