"""What a source yields: where the two images of a pair come from, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import UserError
from models.vocabulary import SPLITS, check_degradation


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
        return f"{self.path.parent.name}/{self.path.name}:{self.path.stat().st_size}"

    def read(self) -> bytes:
        return self.path.read_bytes()


@dataclass(frozen=True)
class Sample:
    """One pair to be built: a clean image and either its degraded partner or the spec that makes it.

    Arguments:
        key: Stable and unique within a dataset, e.g. `"lol/test/low-light/1"`.
        degradation: One of the ten types.
        split: `"train"` or `"test"`.
        source: Name of the source.
        clean: The clean image.
        degraded: The degraded image when the source distributes pairs, else None.
        spec: The degradation to synthesise, e.g. `"noise(sigma=50)"`, when `degraded` is None.
        seed: Seed of the synthesis; with `spec` and `key` it determines every pixel.
        caption: Text about the clean image when the source brings one.
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

    def __post_init__(self) -> None:
        check_degradation(self.degradation)
        if self.split not in SPLITS:
            raise UserError(f"sample {self.key!r} has split {self.split!r}, expected one of {', '.join(SPLITS)}")
        if (self.degraded is None) == (self.spec is None):
            raise UserError(f"sample {self.key!r} needs either a degraded image or a spec, and not both")
