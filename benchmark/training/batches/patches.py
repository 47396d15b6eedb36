"""Random square patches: drawn from an image's size alone, cut later from its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Patch:
    """A square of an image, mirrored and transposed in that order.

    Arguments:
        top: First row, in the image after padding.
        left: First column.
        size: Side in pixels.
        horizontal: Whether it is mirrored left to right.
        vertical: Whether it is mirrored upside down.
        transpose: Whether rows and columns are exchanged.
    """

    top: int
    left: int
    size: int
    horizontal: bool = False
    vertical: bool = False
    transpose: bool = False


def draw_patch(shape: tuple[int, int], size: int, generator: np.random.Generator) -> Patch:
    """Draw the place and the three flips of a patch, each flip with probability one half.

    Arguments:
        shape: Height and width of the image; a smaller image counts as padded to `size`.
        size: Side of the patch.
        generator: Where it is drawn from.
    """
    top, left = (int(generator.integers(max(n, size) - size + 1)) for n in shape)
    horizontal, vertical, transpose = (bool(flip) for flip in generator.random(3) < 0.5)
    return Patch(top, left, size, horizontal=horizontal, vertical=vertical, transpose=transpose)


def centre_patch(shape: tuple[int, int], size: int) -> Patch:
    """Return the patch in the middle of an image, not mirrored."""
    top, left = ((max(n, size) - size) // 2 for n in shape)
    return Patch(top, left, size)


def cut(image: np.ndarray, patch: Patch) -> np.ndarray:
    """Cut a patch from an image with shape `(H, W, 3)`, uint8; it may be a view into the image.

    An image smaller than the patch is continued by reflection at the bottom and the right; one that is not even half as
    large, by repeated reflection with its edge doubled.
    """
    size = patch.size
    short = [max(size - n, 0) for n in image.shape[:2]]
    if any(short):
        mode = "reflect" if all(s < n for s, n in zip(short, image.shape[:2], strict=True)) else "symmetric"
        image = np.pad(image, ((0, short[0]), (0, short[1]), (0, 0)), mode=mode)
    crop = image[patch.top : patch.top + size, patch.left : patch.left + size]
    # OpenCV mirrors thirty times faster than a copy of NumPy's mirrored view, which moves three bytes at a time.
    if patch.horizontal or patch.vertical:
        crop = cv2.flip(crop, (-1 if patch.vertical else 1) if patch.horizontal else 0)
    return cv2.transpose(crop) if patch.transpose else crop


def write_float(pixels: np.ndarray, out: np.ndarray) -> None:
    """Write uint8 pixels with shape `(H, W, 3)` to `out` with shape `(3, H, W)`, float32, in [0, 1]."""
    np.divide(pixels.transpose(2, 0, 1), np.float32(255), out=out, dtype=np.float32)
