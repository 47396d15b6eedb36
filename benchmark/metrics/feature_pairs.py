"""The features of restored images and of their clean ones, as the metrics of whole sets compare them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from models.errors import UserError


class FeaturePairs(ABC):
    """Collects features image by image, and compares the two sets at the end.

    Rows are sorted by key before anything is summed, so the order in which images arrive does not touch a single bit.
    """

    def __init__(self) -> None:
        self._rows: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def update(self, key: str, restored: np.ndarray, clean: np.ndarray) -> None:
        """Add the features of one restored image and of its clean image, each with shape `(D,)`."""
        self._rows[key] = (restored, clean)

    @abstractmethod
    def compute(self) -> float:
        """Return the metric of all restored and all clean images added so far.

        Raises:
            UserError: Fewer than two images were added.
        """

    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval of `compute`, where the metric has one."""
        return None

    def warning(self) -> str:
        """Return a sentence that has to stand beside the number, or an empty one."""
        return ""

    def tables(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of all restored and of all clean images, each with shape `(N, D)`.

        Raises:
            UserError: Fewer than two images were added.
        """
        rows = [self._rows[key] for key in sorted(self._rows)]
        if len(rows) < 2:
            raise UserError(f"{metric} needs at least two images on either side and got {len(rows)}")
        return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])


def checked_tables(features_a: np.ndarray, features_b: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two tables of features in float64, once it is seen that they can be compared.

    Raises:
        UserError: A set has fewer than two members, or the features differ in number.
    """
    a, b = np.asarray(features_a, dtype=np.float64), np.asarray(features_b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise UserError(
            f"{metric} compares two tables of features with the same columns and got {a.shape} and {b.shape}"
        )
    if min(len(a), len(b)) < 2:
        raise UserError(f"{metric} needs at least two images on either side and got {len(a)} and {len(b)}")
    return a, b
