"""The images of an evaluation: restored one after the other, each with the seconds that it took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmark.dataset.folder import Pair
from models.files import below, write_bytes
from models.images.pixels import encode_png, to_float, to_uint8

if TYPE_CHECKING:
    from models.inference.restorer import Restorer

Rounding = Literal["round", "truncate"]


@dataclass(frozen=True)
class Restored:
    """One image to be scored.

    Arguments:
        key: Key of its pair.
        degradation: Its type.
        clean: Pixels with shape `(H, W, 3)`, uint8, RGB.
        restored: What the method made of it: RGB of the same size, float (not clamped) or uint8.
        rounding: How the method's own writer turns floats into 8 bits.
        seconds: What restoring took; None where that was not measured.
    """

    key: str
    degradation: str
    clean: np.ndarray
    restored: np.ndarray
    rounding: Rounding = "round"
    seconds: float | None = None


def restore_pair(restorer: Restorer, pair: Pair, *, max_memory: int | None = None) -> Restored:
    """Restore the degraded image of a pair.

    Images are never restored in batches here: a batch's size moves the last bits of what a network computes, and then
    the images that happen to be neighbours would. A sampled network draws an image's noise from the key of its pair.

    Arguments:
        restorer: The network, ready to restore.
        pair: A decoded pair.
        max_memory: Bytes that may be used; a larger image is tiled.
    """
    import torch

    from models.inference.restore import restore

    started = time.perf_counter()
    image = torch.from_numpy(to_float(pair.degraded)).permute(2, 0, 1)[None].contiguous()
    out = restore(restorer, image, keys=[pair.key], max_memory=max_memory)
    array = out[0].permute(1, 2, 0).contiguous().numpy()
    seconds = time.perf_counter() - started
    return Restored(pair.key, pair.degradation, pair.clean, array, restorer.card.rounding, seconds)


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
