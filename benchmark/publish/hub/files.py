"""The files of a dataset that are published, and whether they are still what the build wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.dataset.folder import Dataset
from benchmark.publish.card.captions import caption_files
from models.errors import UserError
from models.files import below, sha256_file

CARD, CROISSANT, TERMS, MANIFEST = "README.md", "croissant.json", "LICENSE.md", "manifest.json"

DATA_FOLDERS = ("data/", "captions/", "sidecar/")
"""Folders whose files belong to the dataset and to nothing else."""


@dataclass(frozen=True)
class DatasetFile:
    """A file of a dataset folder.

    Arguments:
        path: Its path inside the dataset, with slashes.
        local: Where it is.
        size: Bytes.
        sha256: Its digest: the manifest's for what the build wrote, else that of the file.
    """

    path: str
    local: Path
    size: int
    sha256: str

    @property
    def blob(self) -> str:
        """The name that git gives to these bytes."""
        digest = hashlib.sha1(f"blob {self.size}\0".encode())
        with open(self.local, "rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True)
class Contents:
    """What is published of a dataset, in the order of publication.

    Arguments:
        data: Shards, and the captions that came with the sources; the manifest holds their digests.
        words: Captions made since, the terms, the Croissant description and the card.
        manifest: The manifest.
    """

    data: tuple[DatasetFile, ...]
    words: tuple[DatasetFile, ...]
    manifest: DatasetFile

    @property
    def files(self) -> tuple[DatasetFile, ...]:
        """All of them."""
        return (*self.data, *self.words, self.manifest)

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(file.size for file in self.files)


def list_data(dataset: Dataset) -> tuple[DatasetFile, ...]:
    """Return the files of a dataset whose digests its manifest holds.

    Raises:
        UserError: One is missing, lies outside of the dataset's folder, or is a link.
    """
    manifest = dataset.manifest
    digests = {entry["file"]: entry["sha256"] for entry in [*manifest["shards"], *manifest["sidecar"].values()]}
    return tuple(_file(dataset.folder, path, digest) for path, digest in digests.items())


def list_contents(dataset: Dataset) -> Contents:
    """Return the files of a dataset that are to be published.

    Arguments:
        dataset: A finished dataset whose card and Croissant description are written.

    Raises:
        UserError: One is missing, lies outside of the dataset's folder, or is a link.
    """
    folder = dataset.folder
    return Contents(
        data=list_data(dataset),
        words=tuple(_file(folder, path) for path in (*caption_files(folder), TERMS, CROISSANT, CARD)),
        manifest=_file(folder, MANIFEST),
    )


def check_digests(files: Sequence[DatasetFile], *, progress: Callable[[int], None] = lambda done: None) -> None:
    """Hash files and hold them against their digests.

    Arguments:
        files: Files with digests from the manifest.
        progress: Called with the number of bytes done.

    Raises:
        UserError: One is not what the build wrote.
    """
    done = 0
    for file in files:
        if sha256_file(file.local) != file.sha256:
            raise UserError(
                f"{file.local} is no longer what the build wrote (its SHA-256 is not the manifest's): delete "
                f"{file.local.parent.parent} and build the dataset again"
            )
        done += file.size
        progress(done)


def _file(folder: Path, path: str, digest: str | None = None) -> DatasetFile:
    local = below(folder, path, what="file of a dataset")
    if not local.is_file():
        raise UserError(f"{path} is missing from {folder}: build the dataset again")
    return DatasetFile(path, local, local.stat().st_size, digest or sha256_file(local))
