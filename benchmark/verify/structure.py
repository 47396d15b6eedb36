"""What stays of a picture under haze, darkness, noise or rain: its structure, compared on small grey copies."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

SIDE = 64
"""Side of a thumbnail: small enough to keep one of every image in memory, large enough to tell photos apart."""


def pixel_digest(pixels: np.ndarray) -> str:
    """Return a digest of decoded pixels, the same however they were encoded."""
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def grey(pixels: np.ndarray) -> np.ndarray:
    """Return the luminance of `(H, W, 3)` uint8 RGB pixels with shape `(H, W)`, uint8."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """Shrink a grey picture to `(SIDE, SIDE)` uint8, whatever its shape."""
    smaller = picture.shape[0] >= SIDE and picture.shape[1] >= SIDE
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def fill_holes(pixels: np.ndarray) -> np.ndarray:
    """Return the luminance with white holes filled from around them, so that masks do not pass for structure.

    Arguments:
        pixels: Image with shape `(H, W, 3)`, uint8 RGB.

    Returns:
        Luminance with shape `(H, W)`, uint8.
    """
    picture = grey(pixels)
    # The rim of a hole is no longer white after resampling or JPEG: two pixels around it go as well.
    holes = cv2.dilate((pixels.min(axis=2) >= 250).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    if not holes.any() or holes.mean() > 0.97:
        return picture
    known = (~holes).astype(np.float32)
    filled = np.full(picture.shape, picture[~holes].mean(), np.float32)
    near = max(2.0, min(picture.shape) / 64)
    for radius in (16 * near, 4 * near, near):
        weight = cv2.GaussianBlur(known, (0, 0), radius)
        around = cv2.GaussianBlur(picture * known, (0, 0), radius)
        filled = (around + 0.01 * filled) / (weight + 0.01)
    return np.where(holes, np.clip(np.rint(filled), 0, 255).astype(np.uint8), picture)


def local_contrast(picture: np.ndarray, *, radius: float) -> np.ndarray:
    """Divide the deviation from the local mean by the local spread: gain, offset, haze and shade drop out.

    Arguments:
        picture: Grey picture with shape `(H, W)`, float32, in grey levels.
        radius: Standard deviation of the neighbourhood in pixels.
    """
    deviation = picture - cv2.GaussianBlur(picture, (0, 0), radius)
    variance = cv2.GaussianBlur(deviation * deviation, (0, 0), radius)
    return deviation / np.sqrt(variance + 4)  # two grey levels: below that there is only rounding


def structure(thumb: np.ndarray) -> np.ndarray:
    """Describe a thumbnail by two normalised pictures: its mid frequencies, and its local contrast.

    Arguments:
        thumb: Thumbnail with shape `(SIDE, SIDE)`, uint8.

    Returns:
        Shape `(2, SIDE, SIDE)`, float32; the inner product of two descriptions is their correlation, `(2,)` in [-1, 1].
    """
    smooth = cv2.GaussianBlur(thumb.astype(np.float32), (0, 0), 1)
    band = smooth - cv2.GaussianBlur(thumb.astype(np.float32), (0, 0), 6)
    both = np.stack([band, local_contrast(smooth, radius=4)])
    both -= both.mean(axis=(1, 2), keepdims=True)
    return both / (np.linalg.norm(both, axis=(1, 2), keepdims=True) + np.float32(1e-6))


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the two correlations of two descriptions, with shape `(2,)`, in [-1, 1]."""
    return (first * second).sum(axis=(1, 2))


def orientations(described: np.ndarray, *, square: bool) -> list[tuple[str, np.ndarray]]:
    """Return the mirrored and turned versions of a description, by name; quarter turns only of square images."""
    turned = {
        "mirrored left to right": described[:, :, ::-1],
        "mirrored top to bottom": described[:, ::-1],
        "turned by 180 degrees": described[:, ::-1, ::-1],
    }
    if square:
        across = described.transpose(0, 2, 1)
        turned["turned by 90 degrees"] = across[:, ::-1]
        turned["turned by 270 degrees"] = across[:, :, ::-1]
        turned["mirrored along the diagonal"] = across
        turned["mirrored along the other diagonal"] = across[:, ::-1, ::-1]
    return list(turned.items())
