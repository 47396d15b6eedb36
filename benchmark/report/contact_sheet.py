"""Contact sheets: many small pictures with labels in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

GAP = 6
LABEL = 16


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], *, columns: Sequence[str], background: tuple[int, int, int] = (24, 24, 24)
) -> np.ndarray:
    """Lay pictures out in a grid with a label above each column.

    Arguments:
        rows: Rows of pictures with shape `(H, W, 3)`, uint8; all of the same size.
        columns: Label of each column.
        background: Colour between the pictures.

    Returns:
        The sheet with shape `(H', W', 3)`, uint8.
    """
    height, width = rows[0][0].shape[:2]
    sheet = Image.new("RGB", (len(columns) * (width + GAP) + GAP, len(rows) * (height + GAP) + GAP + LABEL), background)
    pen = ImageDraw.Draw(sheet)
    for number, label in enumerate(columns):
        pen.text((GAP + number * (width + GAP), 3), label, fill=(230, 230, 230))
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (GAP + j * (width + GAP), LABEL + GAP + i * (height + GAP)))
    return np.asarray(sheet)


def degradation_sheet(pictures: Sequence[np.ndarray], *, seed: int = 0) -> np.ndarray:
    """Show every degradation, with its default spec, on the given pictures; the first column is clean."""
    from benchmark.degradations import DEFAULT_SPECS
    from benchmark.degradations.specs import apply

    rows = [
        [picture, *(apply(spec, picture, seed=seed, key=f"sheet/{i}") for spec in DEFAULT_SPECS.values())]
        for i, picture in enumerate(pictures)
    ]
    return contact_sheet(rows, columns=["clean", *DEFAULT_SPECS])
