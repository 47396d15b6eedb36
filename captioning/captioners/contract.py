"""What every captioner offers, and what one with a model offers on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from models.errors import UserError


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


@runtime_checkable
class ModelCaptioner(Protocol):
    """A captioner whose work falls into two parts: decoding and scaling an image, and running a model on many.

    The first part may run in many threads while the second runs in one.
    """

    name: str
    revision: str
    settings: dict[str, Any]

    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        """Return one caption an image, in order: both parts one after the other."""
        ...

    def load(self) -> None:
        """Read the model into memory; called before the first image, further calls do nothing."""
        ...

    def prepare(self, image: CleanImage) -> Any:
        """Decode and scale one image; called from several threads at once.

        Raises:
            BadImage: The image cannot be decoded.
        """
        ...

    def caption_prepared(self, inputs: Sequence[Any]) -> list[str]:
        """Return one caption for each result of `prepare`; the same one in whatever company an image comes."""
        ...


def look_up(captions: Mapping[str, str], images: Sequence[CleanImage], *, missing: str) -> list[str]:
    """Return captions that exist already.

    Arguments:
        captions: Caption by sha256 of the clean image.
        images: The images.
        missing: What is said of an image without one; `{key}` stands for its key.

    Raises:
        UserError: An image has none.
    """
    for image in images:
        if image.sha256 not in captions:
            raise UserError(missing.format(key=image.key))
    return [captions[image.sha256] for image in images]
