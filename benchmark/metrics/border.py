"""Cut away the border of an image before it is compared."""

from __future__ import annotations

import numpy as np

from models.errors import UserError


def crop_border(image: np.ndarray, *, pixels: int) -> np.ndarray:
    """Return the view of `image` that lacks `pixels` rows and columns on each of the four sides.

    Arguments:
        image: An image with shape `(H, W)` or `(H, W, C)`.
        pixels: Width of the border; 0 returns the image itself.

    Returns:
        A view with shape `(H - 2 pixels, W - 2 pixels, ...)`.

    Raises:
        UserError: Nothing would be left.
    """
    if pixels < 0:
        raise ValueError(f"a border cannot be {pixels} pixels wide")
    height, width = image.shape[:2]
    if min(height, width) <= 2 * pixels:
        raise UserError(
            f"the image is {width}x{height} pixels and nothing is left of it after a border of {pixels} is cut off: "
            f"use larger images or a protocol without a crop"
        )
    return image[pixels : height - pixels, pixels : width - pixels]


def crop_to_multiple(image: np.ndarray, *, of: int) -> np.ndarray:
    """Return the view of `image` around its centre whose height and width are multiples of a number.

    Of an odd surplus the larger half is cut off at the end.

    Arguments:
        image: An image with shape `(H, W)` or `(H, W, C)`.
        of: The number; 1 returns the image itself.

    Raises:
        UserError: A side is shorter than the number.
    """
    height, width = image.shape[:2]
    if min(height, width) < of:
        raise UserError(
            f"the image is {width}x{height} pixels, of which a protocol that cuts it down to multiples of {of} leaves "
            f"nothing: use larger images or another protocol"
        )
    top, left = height % of // 2, width % of // 2
    return image[top : top + height // of * of, left : left + width // of * of]


def check_same_shape(restored: np.ndarray, clean: np.ndarray) -> None:
    """Refuse two images that differ in size or channels.

    Raises:
        UserError: They differ; the message states both shapes.
    """
    if restored.shape != clean.shape:
        raise UserError(
            f"the restored image has shape {restored.shape} and the clean one {clean.shape} (rows, columns, channels): "
            f"they must be the same"
        )
