"""Captions that already exist: written by people or brought by a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from captioning.captioners.contract import CleanImage, look_up
from models.files import sha256_json


class SidecarCaptioner:
    """Looks captions up by the digest of the clean image.

    Arguments:
        captions: Caption by sha256 of the clean image's bytes.
    """

    name = "sidecar"

    def __init__(self, captions: Mapping[str, str]) -> None:
        self._captions = dict(captions)
        self.revision = f"sha256:{sha256_json(self._captions)[:16]}"
        self.settings: dict[str, Any] = {}

    def caption(self, images: Sequence[CleanImage]) -> list[str]:
        """Return the captions of `images`.

        Raises:
            UserError: An image has none; its key is named.
        """
        return look_up(
            self._captions,
            images,
            missing="no caption came with {key}: its source brings none, choose one that looks at images (blip-large, "
            "or the folder of a model)",
        )
