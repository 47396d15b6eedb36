"""What every captioner offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class CleanImage:
    """A clean image to be captioned.

    Arguments:
        sha256: Digest of its bytes; images with equal digests get one caption.
        key: Key of the first pair that holds it, for messages.
        data: The encoded bytes, or None when the captioner needs no pixels.
    """

    sha256: str
    key: str
    data: bytes | None


class Captioner(Protocol):
    """Text for images, a batch at a time."""

    name: str
    revision: str
    settings: dict[str, Any]

    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        """Return one caption an image, in order."""
        ...
