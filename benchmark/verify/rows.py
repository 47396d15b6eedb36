"""What is kept of a pair after its pixels are gone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.verify.findings import Place
from benchmark.verify.fit import Fit


@dataclass(frozen=True, eq=False)
class Row:
    """One pair.

    Arguments:
        key: Its key.
        degradation: Its type.
        source: Its source.
        split: The split in whose shard it lies.
        size: Width and height in pixels.
        file: The shard.
        group: The row group.
        row: The row inside the group.
        degraded_sha256: As the row says it.
        clean_sha256: As the row says it.
        degraded_pixels: Digest of the decoded degraded image; empty when it could not be decoded.
        clean_pixels: The same of the clean image.
        thumb: Thumbnail of the clean image, at its first appearance in a row group.
        fit: How the pair fits, unless its spec made it again or it cannot be compared.
    """

    key: str
    degradation: str
    source: str
    split: str
    size: tuple[int, int]
    file: Path
    group: int
    row: int
    degraded_sha256: str
    clean_sha256: str
    degraded_pixels: str = ""
    clean_pixels: str = ""
    thumb: np.ndarray | None = None
    fit: Fit | None = None

    def place(self, role: str) -> Place:
        """Return where the `"degraded"` or `"clean"` image lies."""
        return Place(self.file, self.group, self.row, role)
