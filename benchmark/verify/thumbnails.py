"""Pictures for the report: the images of a finding side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from benchmark.verify.findings import Place, Shown
from benchmark.verify.others import read_places
from models.errors import UserError
from models.images.pixels import BadImage, decode, encode_png

SIDE = 256  # pixels; larger images are shrunk to it
GAP = 4

_AT_ONCE = 16  # findings whose bytes are in memory together


def draw(findings: Sequence[Sequence[Shown]]) -> Iterator[bytes]:
    """Yield a PNG for each finding: its images next to each other, left to right, a grey square for a lost one.

    Arguments:
        findings: The images of each finding.
    """
    for start in range(0, len(findings), _AT_ONCE):
        some = findings[start : start + _AT_ONCE]
        places = [shown.image for images in some for shown in images if isinstance(shown.image, Place)]
        stored = read_places(list(dict.fromkeys(places)))
        for images in some:
            yield encode_png(_side_by_side([_small(shown, stored) for shown in images]))


def _small(shown: Shown, stored: dict[Place, bytes]) -> np.ndarray:
    try:
        data = stored[shown.image] if isinstance(shown.image, Place) else shown.image.read()
        pixels = decode(data)
    except (BadImage, UserError, OSError, KeyError):
        return np.full((SIDE, SIDE, 3), 128, np.uint8)
    factor = SIDE / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + GAP * (len(images) - 1)
    canvas = np.full((height, width, 3), 255, np.uint8)
    left = 0
    for image in images:
        canvas[: image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + GAP
    return canvas
