"""JPEG: baseline compression with 4:2:0 chroma, equal to what OpenCV and Pillow write."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from benchmark.degradations.specs.parameters import integer
from models.images.pixels import decode, to_float, to_uint8


def jpeg(image: np.ndarray, generator: np.random.Generator, *, quality: int = 10) -> np.ndarray:
    """Compress and decompress with JPEG.

    Nothing is random. With quality 10 the paper's own JPEG images come out to the bit.

    Arguments:
        image: Clean image with shape `(H, W, 3)`, float32 RGB in [0, 1].
        generator: Not used; every operation takes one.
        quality: The libjpeg quality, 1 (worst) to 100.

    Returns:
        The decoded image, same shape and type.

    Raises:
        UserError: `quality` is out of range.

    References:
        The JPEG Still Picture Compression Standard (Wallace, 1992)
        https://doi.org/10.1109/30.125072
    """
    quality = integer("quality", quality, generator, allowed=(1, 100), drawn=(10, 10))
    return to_float(decode(compress(to_uint8(image), quality=quality)))


def compress(pixels: np.ndarray, *, quality: int) -> bytes:
    """Encode `(H, W, 3)` uint8 RGB pixels as JPEG with 4:2:0 chroma; `decode` of it is what `jpeg` returns."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()
