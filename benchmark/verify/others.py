"""Other sets to compare with: a dataset folder, or any folder or archive of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmark import engine
from benchmark.dataset.folder import Dataset
from benchmark.sources.files.tree import Tree
from benchmark.sources.samples import ImageBytes
from benchmark.verify.duplicates import Print
from benchmark.verify.findings import Place
from benchmark.verify.structure import grey, pixel_digest, thumbnail
from models.errors import UserError
from models.images.pixels import BadImage, decode

_CHUNK = 16  # images of a job


@dataclass(frozen=True)
class OtherImage:
    """One image of another set: its name, split and source, and where it lies."""

    name: str
    split: str
    source: str
    image: Place | ImageBytes


@dataclass(frozen=True)
class OtherPart:
    """One job: some images of another set."""

    images: tuple[OtherImage, ...]


@dataclass(frozen=True)
class OtherSet:
    """Another set.

    Arguments:
        name: As it was given.
        images: Its images; of a dataset the different clean ones.
        rejected: Name and reason of files that cannot be read, such as encrypted members of an archive.
    """

    name: str
    images: tuple[OtherImage, ...]
    rejected: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def open(path: Path) -> OtherSet:
        """List the images of a dataset folder, or of a folder or archive of images.

        Raises:
            UserError: The path is missing, is no archive that can be read, or holds no image.
        """
        if (path / "manifest.json").is_file():
            return OtherSet(str(path), tuple(_clean_images(Dataset(path))))
        tree = Tree.open([path], source=path.name)
        entries = tree.images()
        if not entries:
            raise UserError(f"--against {path} holds no image: expected a dataset, or a folder or archive of images")
        rejected = tuple((one.key, one.reason) for one in tree.rejected)
        return OtherSet(str(path), tuple(OtherImage(str(e.path), "", path.name, e) for e in entries), rejected)

    def parts(self) -> list[OtherPart]:
        """Return the jobs that read it."""
        return [OtherPart(self.images[start : start + _CHUNK]) for start in range(0, len(self.images), _CHUNK)]


def _clean_images(dataset: Dataset) -> list[OtherImage]:
    found: dict[tuple[str, str, str], OtherImage] = {}
    columns = ["key", "source", "clean_sha256"]
    for split in dataset.manifest["splits"]:
        for file in dataset.shards(split):
            with pq.ParquetFile(dataset.checked(file)) as opened:
                for group in range(opened.num_row_groups):
                    rows = opened.read_row_group(group, columns=columns).to_pylist()
                    for number, row in enumerate(rows):
                        image = OtherImage(row["key"], split, row["source"], Place(file, group, number, "clean"))
                        found.setdefault((split, row["source"], row["clean_sha256"]), image)
    return list(found.values())


def read_part(part: OtherPart) -> tuple[list[Print], list[tuple[str, str]]]:
    """Return the prints of some images, and `(name, reason)` of those that cannot be read."""
    prints: list[Print] = []
    bad: list[tuple[str, str]] = []
    stored = read_places([one.image for one in part.images if isinstance(one.image, Place)])
    for one in part.images:
        try:
            data = stored[one.image] if isinstance(one.image, Place) else one.image.read()
            pixels = decode(data)
        except (BadImage, UserError, OSError, KeyError) as error:
            bad.append((one.name, str(error)))
        else:
            thumb = thumbnail(grey(pixels))
            prints.append(Print(one.name, one.split, one.source, pixel_digest(pixels), thumb, one.image))
        engine.advance()
    return prints, bad


def read_places(places: Sequence[Place]) -> dict[Place, bytes]:
    """Return the bytes of images in shards, reading each row group once; what cannot be read is left out."""
    groups: dict[tuple[Path, int, str], list[Place]] = defaultdict(list)
    for place in places:
        groups[place.file, place.group, place.role].append(place)
    found: dict[Place, bytes] = {}
    for (file, group, role), wanted in groups.items():
        try:
            with pq.ParquetFile(file) as opened:
                images = opened.read_row_group(group, columns=[f"{role}.bytes"]).column(role)
                found.update({place: images[place.row].as_py()["bytes"] or b"" for place in wanted})
        except (OSError, ValueError, IndexError, TypeError, KeyError):
            continue
    return found
