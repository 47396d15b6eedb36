"""What a source yields: where the two images of a pair come from, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import UserError
from models.images.files import file_bytes
from models.vocabulary import SPLITS, check_word


class SourceUnreachable(UserError):
    """A listed source is gone, or not to be had on this machine: a build stops instead of leaving pairs out."""


class SourceChanged(SourceUnreachable):
    """A source is no longer what was listed: a build stops, and lists it anew when it is run again."""


class ImageBytes(Protocol):
    """Something that can hand over the bytes of one image file. Must survive pickling (worker processes read it)."""

    @property
    def name(self) -> str:
        """Where the image comes from, for messages."""
        ...

    @property
    def fingerprint(self) -> str:
        """What tells these bytes from others at no cost, the same on every machine (no absolute path)."""
        ...

    @property
    def size(self) -> int:
        """Number of bytes, or an estimate where reading makes them; it only steers the cut into shards."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files on disk that are read for it, none when it is made here."""
        ...

    def read(self) -> bytes:
        """Return the encoded bytes, exactly as they are to be stored."""
        ...


@dataclass(frozen=True)
class FileImage:
    """An image file on disk; its bytes are stored as they are."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def fingerprint(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}:{self.size}"

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def read(self) -> bytes:
        return file_bytes(self.path)


@dataclass(frozen=True)
class Sample:
    """One pair to be built: a clean image and either its degraded partner or the spec that makes it.

    Arguments:
        key: Stable and unique within a dataset, e.g. `"lol/test/low-light/1"`.
        degradation: The type: one of the ten, or a further word.
        split: `"train"` or `"test"`.
        source: Name of the source.
        clean: The clean image.
        degraded: The degraded image when the source distributes pairs, else None.
        spec: The degradation to synthesise, e.g. `"noise(sigma=50)"`, when `degraded` is None.
        seed: Seed of the synthesis; with `spec` and `key` it determines every pixel.
        caption: Text about the clean image when the source brings one.
        words: What is wrong with the degraded image, in words for DA-CLIP's text; empty for those of the spec, or else
            the type itself.
    """

    key: str
    degradation: str
    split: str
    source: str
    clean: ImageBytes
    degraded: ImageBytes | None = None
    spec: str | None = None
    seed: int = 0
    caption: str | None = None
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_word(self.degradation)
        if self.split not in SPLITS:
            raise UserError(f"sample {self.key!r} has split {self.split!r}, expected one of {', '.join(SPLITS)}")
        if not -(2**63) <= self.seed < 2**63:
            raise UserError(f"the seed of sample {self.key!r} is beyond 64 bits: give a smaller one")
        if (self.degraded is None) == (self.spec is None):
            raise UserError(f"sample {self.key!r} needs either a degraded image or a spec, and not both")


@dataclass(frozen=True)
class Rejected:
    """A file or pair of a source that cannot be used, told before the build begins; it ends on the quarantine list.

    Arguments:
        key: The key that the pair would have had, or the name of the file.
        reason: Why it is left out, e.g. `"no clean image of this name"`.
    """

    key: str
    reason: str
