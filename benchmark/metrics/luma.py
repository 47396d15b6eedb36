"""The brightness channel on which deraining papers compute PSNR and SSIM."""

from __future__ import annotations

import numpy as np

WEIGHTS = (65.481, 128.553, 24.966)
"""Studio-range gain of R, G and B; they sum to 219."""

OFFSET = 16.0


def luma(image: np.ndarray, *, rounded: bool = False) -> np.ndarray:
    """Return the BT.601 studio-range Y of an RGB image, as MATLAB's `rgb2ycbcr` defines it.

    Arguments:
        image: RGB with shape `(H, W, 3)`; uint8 in [0, 255] or float in [0, 1].
        rounded: Whether Y is rounded to whole numbers, as MATLAB does for 8-bit images; halves go up.

    Returns:
        Y with shape `(H, W)`, float64, in [16, 235]. Metrics on it keep a data range of 255, as the
        authors' script does.

    References:
        Recommendation ITU-R BT.601-7 (ITU, 2011), https://www.itu.int/rec/R-REC-BT.601
    """
    scale = 255.0 if image.dtype == np.uint8 else 1.0
    red, green, blue = (weight / scale for weight in WEIGHTS)
    # Not a product of matrices: the library behind that splits it over threads of its own, which then wait in a loop.
    y = image[..., 0] * red + image[..., 1] * green + image[..., 2] * blue + OFFSET
    return np.floor(y + 0.5, out=y) if rounded else y
