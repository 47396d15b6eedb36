"""How well the two images of one pair fit: everything that is measured while their pixels are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.verify.roles import evidence
from benchmark.verify.shift import Shift, blur_extent, measure_shift
from benchmark.verify.structure import correlation, fill_holes, grey, orientations, structure, thumbnail

CLOSE = 0.75
"""Pairs whose two correlations both reach this fit beyond doubt; for all others a better partner is looked for."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Measures of one pair.

    Arguments:
        correlation: Correlations of the two kinds of structure, with shape `(2,)`.
        turned: Name of the orientation of the clean image that fits best instead.
        turned_correlation: Its correlations.
        shift: Displacement of the degraded image.
        blur: Extent of the blur in pixels, for motion blur; 0 for other types.
        evidence: How clearly the roles are right, see `benchmark.verify.roles.evidence`.
        thumb: Thumbnail of the degraded image when a better partner has to be looked for.
    """

    correlation: np.ndarray
    turned: str
    turned_correlation: np.ndarray
    shift: Shift
    blur: float
    evidence: float | None
    thumb: np.ndarray | None


def measure_fit(degraded: np.ndarray, clean: np.ndarray, *, degradation: str, words: Sequence[str] = ()) -> Fit:
    """Measure how a pair fits.

    Arguments:
        degraded: Pixels with shape `(H, W, 3)`, uint8 RGB.
        clean: Pixels with the same shape.
        degradation: The type of the pair.
        words: All that was done to it; the roles are judged only where that is one thing.
    """
    d = fill_holes(degraded) if "uncompleted" in (degradation, *words) else grey(degraded)
    c = grey(clean)
    thumb = thumbnail(d)
    described, reference = structure(thumb), structure(thumbnail(c))
    own = correlation(described, reference)
    square = clean.shape[0] == clean.shape[1]
    turned = [(name, correlation(described, other)) for name, other in orientations(reference, square=square)]
    name, best = max(turned, key=lambda item: float(np.min(item[1] - own)))
    shift = measure_shift(d, c)
    return Fit(
        correlation=own,
        turned=name,
        turned_correlation=best,
        shift=shift,
        blur=blur_extent(d, c, shift) if degradation == "motion-blurry" else 0.0,
        evidence=evidence(degraded, clean, degradation) if len(set(words)) <= 1 else None,
        thumb=None if own.min() >= CLOSE else thumb,
    )
