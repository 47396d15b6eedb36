"""Contact sheets: images in a labelled grid, for looking at many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.vocabulary import DEGRADATIONS, LABELS

if TYPE_CHECKING:
    import numpy as np

GAP = 4
HEADER = 18


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]], *, columns: Sequence[str], cell: int = 160
) -> np.ndarray:
    """Draw a grid of images with a label over each column and a name before each row.

    Arguments:
        rows: Name and images of each row; an image has shape `(H, W, 3)`, uint8 RGB, and is scaled to fit its cell.
        columns: Label of each column.
        cell: Side of a cell in pixels.

    Returns:
        The sheet with shape `(H, W, 3)`, uint8 RGB.

    Raises:
        ValueError: A row has another number of images than there are columns.
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default()
    margin = max((int(font.getlength(name)) for name, _ in rows), default=0) + 2 * GAP
    size = (margin + len(columns) * (cell + GAP), HEADER + len(rows) * (cell + GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(columns):
        draw.text((margin + column * (cell + GAP), GAP), label, fill="black", font=font)
    for row, (name, images) in enumerate(rows):
        if len(images) != len(columns):
            raise ValueError(f"row {name!r} has {len(images)} images for {len(columns)} columns")
        top = HEADER + row * (cell + GAP)
        draw.text((GAP, top), name, fill="black", font=font)
        for column, pixels in enumerate(images):
            picture = Image.fromarray(pixels)
            factor = cell / max(picture.size)
            # Enlarged pixels stay square, so that noise and block edges are seen as they are.
            method = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
            fitted = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
            sheet.paste(picture.resize(fitted, method), (margin + column * (cell + GAP), top))
    return np.asarray(sheet)


def degradation_sheet(images: Sequence[tuple[str, np.ndarray]], *, seed: int = 0, cell: int = 160) -> np.ndarray:
    """Draw each image clean and under the ten degradations with their default specs.

    Arguments:
        images: Name and pixels, with shape `(H, W, 3)`, uint8 RGB, of each image.
        seed: Seed of the degradations; the name serves as key.
        cell: Side of a cell in pixels.

    Returns:
        The sheet with shape `(H, W, 3)`, uint8 RGB.
    """
    from benchmark.degradations.specs.pipeline import DEFAULT_SPECS, apply

    rows = [
        (name, [pixels, *(apply(DEFAULT_SPECS[word], pixels, seed=seed, key=name) for word in DEGRADATIONS)])
        for name, pixels in images
    ]
    return contact_sheet(rows, columns=["Clean", *(LABELS[word] for word in DEGRADATIONS)], cell=cell)
