"""JPEG compression."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from benchmark.degradations.ranges import within
from models.images import to_float, to_uint8


def jpeg(image: np.ndarray, generator: np.random.Generator, *, quality: int = 10) -> np.ndarray:
    """Compress and decompress with libjpeg, chroma at half resolution (4:2:0), as OpenCV and Pillow do by default.

    Arguments:
        image: RGB with shape `(H, W, 3)`, float32, in [0, 1]; rounded to 8 bits first.
        generator: Not used, nothing is random.
        quality: Quality on libjpeg's scale, 1 to 100; the paper's is 10.

    Returns:
        The decompressed image, same shape and range, exactly representable in 8 bits.

    Raises:
        UserError: The quality is out of its range or not whole.

    References:
        Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., 2024)
        https://arxiv.org/abs/2310.01018
    """
    quality = int(within("quality", quality, 1, 100))
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(buffer, format="JPEG", quality=quality, subsampling="4:2:0")
    return to_float(np.asarray(Image.open(buffer)))
