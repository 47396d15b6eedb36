"""Images that another program has written: a folder or a zip, matched by name to the images they are held against."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from models.errors import UserError
from models.files import sha256_bytes
from models.images.files import file_bytes
from models.images.pixels import EXTENSIONS, BadImage, decode

EXAMPLES = 3

LARGEST = 1 << 29
"""Bytes of one image file in a zip: a few bytes can promise to unpack to all of memory."""

MOST = 200_000
"""Files in a zip: no test set is near as large."""

UNREADABLE = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The image files of a folder, with its subfolders, or of a zip.

    Arguments:
        place: The folder or zip.
        members: Name of each image, as a path without its ending and without folders that all share, and its path
            there; sorted by name.
        shared: The folders that all share.
    """

    place: Path
    members: Mapping[str, str]
    shared: tuple[str, ...] = ()

    @cached_property
    def _archive(self) -> zipfile.ZipFile | None:
        return None if self.place.is_dir() else zipfile.ZipFile(self.place)

    @cached_property
    def _seen(self) -> dict[str, str]:
        return {}

    def data(self, name: str) -> bytes:
        """Return the bytes of an image file; they are those that `digests` has seen, if it has.

        Raises:
            UserError: It cannot be read, or has changed since.
        """
        member = self.members[name]
        try:
            data = file_bytes(self.place / member) if self._archive is None else self._archive.read(member)
        except (*UNREADABLE, RuntimeError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise UserError(f"{self.place}: {member} cannot be read ({error})") from None
        if name in self._seen and sha256_bytes(data) != self._seen[name]:
            raise UserError(
                f"{self.place}: {member} changed while it was scored: wait until it is whole, and run it again"
            )
        return data

    def pixels(self, name: str, data: bytes | None = None) -> np.ndarray:
        """Return the pixels of an image, uint8 RGB with shape `(H, W, 3)`.

        Raises:
            UserError: It cannot be decoded; the message names the file.
        """
        try:
            return decode(self.data(name) if data is None else data)
        except BadImage as error:
            raise BadImage(f"{self.place}: {self.members[name]}: {error}") from None

    def digests(self, names: Sequence[str]) -> list[list[str]]:
        """Return `[name, sha256]` of each of these files; from now on they are refused when they change."""
        self._seen.update({name: sha256_bytes(self.data(name)) for name in names})
        return [[name, self._seen[name]] for name in names]


def open_pictures(place: Path) -> Pictures:
    """List the images of a folder or a zip.

    Raises:
        UserError: It is neither, holds no image, a member of the zip leads out of it, is a link or too large, or two
            files would go by the same name.
    """
    if place.is_dir():
        files = [file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()]
    elif place.is_file() and zipfile.is_zipfile(place):
        files = _listed(place)
    elif place.exists():
        raise UserError(f"{place} is neither a folder nor a zip of images")
    else:
        raise UserError(f"folder or zip of images not found: {place}")
    images = sorted(file for file in files if _is_image(PurePosixPath(file)))
    if not images:
        raise UserError(f"no image ({' '.join(EXTENSIONS)}) in {place}")
    shared = _shared_folders([PurePosixPath(file).parts[:-1] for file in images])
    members: dict[str, str] = {}
    for file in images:
        path = PurePosixPath(*PurePosixPath(file).parts[shared:])
        name = path.with_suffix("").as_posix()
        if name in members:
            raise UserError(f"{place} holds both {members[name]} and {file}: keep one image of each name")
        members[name] = file
    parts = PurePosixPath(images[0]).parts[:shared]
    return Pictures(place=place, members=dict(sorted(members.items())), shared=parts)


def _listed(place: Path) -> list[str]:
    """Return the files that a zip lists."""
    try:
        with zipfile.ZipFile(place) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except UNREADABLE as error:
        raise UserError(f"{place} is no whole zip ({error}): make it again") from None
    if len(infos) > MOST:
        raise UserError(f"{place} holds {len(infos)} files, more than {MOST}: make a zip of the images alone")
    for info in infos:
        path = PurePosixPath(info.filename)
        if not _is_image(path):
            continue
        # Nothing is unpacked, but a name that is a path to elsewhere is a mistake, or none at all.
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename or min(info.filename) < " ":
            raise UserError(f"{place} holds {info.filename!a}, which leads out of it: name images by plain paths")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(f"{place} holds {info.filename!a} as a link: put the image itself there")
        if info.file_size > LARGEST:
            size = f"{info.file_size >> 20} MB"
            raise UserError(f"{place}: {info.filename!a} would unpack to {size}, more than {LARGEST >> 20} MB")
    return [info.filename for info in infos]


def _is_image(path: PurePosixPath) -> bool:
    # __MACOSX holds what one system's zip program adds, in files of the images' names.
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in EXTENSIONS and not hidden


def _shared_folders(folders: Sequence[tuple[str, ...]]) -> int:
    """Return how many leading folders all paths share."""
    first, last = min(folders), max(folders)
    count = 0
    while count < min(len(first), len(last)) and first[count] == last[count]:
        count += 1
    return count


def match_to_keys(pictures: Pictures, keys: Sequence[str], *, what: str, allow_missing: bool = False) -> dict[str, str]:
    """Return for each key the name of its picture.

    A picture may be named by the whole key (`lol/test/22`, as `bench eval --save-images` writes it), by its end
    (`22`) where no two keys share one, or by the key with hyphens for slashes. Folders that all pictures share may be
    there or not.

    Arguments:
        pictures: What was found.
        keys: Of the images that they are held against.
        what: How messages call those.
        allow_missing: Whether keys may be left without a picture.

    Raises:
        UserError: Pictures are missing or belong to nothing; the message counts both and names some.
    """
    depth = max((key.count("/") for key in keys), default=0)
    rules: list[Callable[[str], str]] = [lambda key, j=j: "/".join(key.split("/")[j:]) for j in range(depth + 1)]
    rules.append(lambda key: key.replace("/", "-"))
    best: dict[str, str] = {}
    for level in range(len(pictures.shared), -1, -1):
        members = {"/".join((*pictures.shared[level:], name)): name for name in pictures.members}
        for rule in rules:
            named = {rule(key): key for key in keys}
            found = {key: members[name] for name, key in named.items() if name in members}
            if len(named) == len(keys) and len(found) > len(best):
                best = found
    missing = [key for key in keys if key not in best]
    used = set(best.values())
    extra = [pictures.members[name] for name in pictures.members if name not in used]
    told = []
    if missing and not (allow_missing and best):
        told.append(f"{_images(missing)} of {what} {_is(missing)} missing (e.g. {', '.join(missing[:EXAMPLES])})")
    if extra:
        told.append(
            f"{_images(extra)} {'belongs' if len(extra) == 1 else 'belong'} to none of {what} "
            f"(e.g. {', '.join(extra[:EXAMPLES])})"
        )
    if told:
        advice = "add, rename or remove files" + (
            "" if extra or not best else ", or score what is there by --allow-missing"
        )
        raise UserError(f"{pictures.place} does not fit {what}: {' and '.join(told)}: {advice}")
    return {key: best[key] for key in keys if key in best}


def _images(items: Sequence[str]) -> str:
    return f"{len(items)} image{'' if len(items) == 1 else 's'}"


def _is(items: Sequence[str]) -> str:
    return "is" if len(items) == 1 else "are"
