"""One file of a source, wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark.sources.files.members import Member, Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree; an `ImageBytes`. Small, and survives pickling.

    Arguments:
        place: The folder or archive that holds it.
        member: Where in the place.
        mount: Folder of the tree in which the place appears; empty when the place is the whole tree.
    """

    place: Place
    member: Member
    mount: str = ""

    @property
    def text(self) -> str:
        """Path inside the tree, as text."""
        return f"{self.mount}/{self.member.inside}" if self.mount else self.member.inside

    @property
    def path(self) -> PurePosixPath:
        """Path inside the tree."""
        return PurePosixPath(self.text)

    @property
    def size(self) -> int:
        return self.member.size

    @property
    def name(self) -> str:
        return self.place.name_of(self.member.inside)

    @property
    def fingerprint(self) -> str:
        """`"<folder>/<file>:<size>"`; the folder at the top of a place is called as the place, without its ending."""
        folder, _, file = self.member.inside.rpartition("/")
        return f"{folder.rpartition('/')[2] or self.place.label}/{file}:{self.size}"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.place.file_of(self.member.inside),)

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            UserError: An archive holds them damaged or cut off.
            OSError: The file or archive is gone (`FileNotFoundError`) or cannot be read.
        """
        return self.place.read(self.member)
