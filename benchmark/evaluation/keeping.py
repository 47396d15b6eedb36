"""Restored images that an evaluation leaves behind as files."""

from __future__ import annotations

from pathlib import Path

from benchmark.evaluation.pairs import Restored
from models.files import below, write_bytes
from models.images.pixels import encode_png, to_uint8


def image_file(folder: Path, key: str) -> Path:
    """Return where the restored image of a pair lies.

    Raises:
        UserError: The key, which comes out of the dataset, would lead out of the folder.
    """
    return below(folder, f"{key}.png", what="key of an image")


def keep_image(image: Restored, folder: Path | None) -> None:
    """Write a restored image below a folder, under its key, as its network's own writer would round it."""
    if folder is None:
        return
    pixels = image.restored
    if pixels.dtype.name != "uint8":
        pixels = to_uint8(pixels, rounding=image.rounding)
    write_bytes(image_file(folder, image.key), encode_png(pixels))
