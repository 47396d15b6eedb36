"""Perceptual hashes: which of many images may be the same photo, found without comparing their pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import fft

from benchmark.verify.structure import SIDE

RADIUS = 10
"""Bits out of 64 that may differ.

JPEG at quality 10, a one-pixel crop, noise of sigma 25 and halving the size each change at most 4 bits on the 350 real
photos this was measured on, a crop by two percent at each border at most 12.
"""

_ROWS = 512  # hashes compared with all others at once


def perceptual_hash(thumb: np.ndarray) -> np.uint64:
    """Return a 64-bit hash of a thumbnail: which of its 64 lowest frequencies lie above their median.

    Arguments:
        thumb: Thumbnail with shape `(SIDE, SIDE)`, uint8.

    References:
        Implementation and Benchmarking of Perceptual Image Hash Functions (Zauner, 2010)
        https://www.phash.org/docs/pubs/thesis_zauner.pdf
    """
    coefficients = np.asarray(fft.dctn(thumb.reshape(SIDE, SIDE).astype(np.float64), norm="ortho"))
    # The mean brightness (first coefficient) gives way to the next one of the first row.
    low = np.append(coefficients[:8, :8].ravel()[1:], coefficients[0, 8])
    return np.packbits(low > np.median(low)).view(np.uint64)[0]


def near_hashes(first: np.ndarray, second: np.ndarray | None = None, *, radius: int = RADIUS) -> Iterator[np.ndarray]:
    """Yield the pairs of hashes that differ in few bits, a block of rows at a time, so that memory stays bounded.

    Arguments:
        first: Hashes with shape `(N,)`, uint64.
        second: Hashes with shape `(M,)`; None compares `first` with itself, each pair once.
        radius: Largest number of bits that differ.

    Returns:
        Arrays with shape `(K, 3)`: index in `first`, index in `second`, number of bits; nearest first in each array.
    """
    others = first if second is None else second
    for start in range(0, len(first), _ROWS):
        rows = first[start : start + _ROWS]
        skip = start if second is None else 0  # what lies before was compared already
        bits = np.bitwise_count(rows[:, None] ^ others[None, skip:])
        i, j = np.nonzero(bits <= radius)
        found = np.stack([i + start, j + skip, bits[i, j].astype(np.int64)], axis=1)
        if second is None:
            found = found[found[:, 0] < found[:, 1]]
        yield found[np.argsort(found[:, 2], kind="stable")]
