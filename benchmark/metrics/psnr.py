"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from benchmark.metrics.border import check_same_shape


def psnr(restored: np.ndarray, clean: np.ndarray, *, data_range: float = 255.0) -> float:
    """Return the peak signal-to-noise ratio of two images, from the mean squared error over all pixels and channels.

    Equal images give infinity, and so does the mean over a set that holds such a pair: the authors' script averages
    plainly, and hiding the pair would change the number without a word.

    Arguments:
        restored: Image with shape `(H, W)` or `(H, W, C)`.
        clean: Image of the same shape and scale.
        data_range: Distance between the darkest and the brightest value.

    Returns:
        The ratio in dB.

    Raises:
        UserError: The shapes differ.
    """
    check_same_shape(restored, clean)
    error = np.subtract(restored, clean, dtype=np.float64)
    # Not a product of vectors: the library behind that splits it over threads of its own, whose number would move the
    # last bits, and which afterwards wait in a loop.
    mean_squared = float(np.square(error, out=error).mean())
    return math.inf if mean_squared == 0.0 else 10.0 * math.log10(data_range**2 / mean_squared)
