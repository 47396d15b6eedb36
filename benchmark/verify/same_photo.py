"""Whether two thumbnails show one and the same photo, whatever JPEG, a resize or a border of a pixel did to it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmark.verify.structure import SIDE

CORRELATION = 0.98
RMSE = 8.0
"""Bounds of a match. On the real test sets the same photo reaches 0.995 and more, another photo 0.94 and less."""

LEAST_DETAIL = (
    1.0  # grey levels; flatter pictures (a black frame, a plain sky) look like each other without being the same
)
REACH = 2.0  # pixels of the thumbnail: three percent of the side
_BORDER = 3


@dataclass(frozen=True)
class Likeness:
    """How alike two thumbnails are after one was moved over the other.

    Arguments:
        correlation: Of the luminance, in [-1, 1].
        rmse: Root mean square difference after removing the difference of the means, in grey levels.
    """

    correlation: float
    rmse: float

    @property
    def same(self) -> bool:
        """Whether it is one photo."""
        return self.correlation >= CORRELATION and self.rmse <= RMSE


def has_detail(thumb: np.ndarray) -> bool:
    """Say whether a thumbnail shows enough to be told from others."""
    return float(thumb.std()) >= LEAST_DETAIL


def compare(first: np.ndarray, second: np.ndarray) -> Likeness:
    """Move one thumbnail over the other by least squares, by at most `REACH` pixels, and compare them.

    Arguments:
        first: Thumbnail with shape `(SIDE, SIDE)`, uint8.
        second: The other one.
    """
    a, b = (cv2.GaussianBlur(thumb.astype(np.float32), (0, 0), 0.7) for thumb in (first, second))
    inner = slice(_BORDER, -_BORDER)
    still = a[inner, inner] - a[inner, inner].mean()
    shift, moved = np.zeros(2), b
    for _ in range(5):
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        moved = cv2.warpAffine(b, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        slopes = [-cv2.Sobel(moved, cv2.CV_32F, dx, 1 - dx)[inner, inner].ravel() / 8 for dx in (1, 0)]
        rest = (still - (moved[inner, inner] - moved[inner, inner].mean())).ravel()
        design = np.stack(slopes, axis=1)
        step = np.linalg.solve(design.T @ design + 1e-3 * np.eye(2), design.T @ rest)
        shift = np.clip(shift + step, -REACH, REACH)
        if np.abs(step).max() < 0.01:
            break
    other = moved[inner, inner] - moved[inner, inner].mean()
    norms = float(np.linalg.norm(still) * np.linalg.norm(other))
    rmse = float(np.sqrt(((still - other) ** 2).mean()))
    return Likeness(float((still * other).sum()) / norms if norms > 0 else 0.0, rmse)
