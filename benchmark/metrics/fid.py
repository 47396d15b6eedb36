"""Frechet inception distance between a set of restored images and the set of clean ones."""

from __future__ import annotations

import numpy as np

from models.errors import UserError


def _deviations(features: np.ndarray) -> np.ndarray:
    """Return a matrix `A` of at most D rows such that `A.T @ A` is the covariance of the rows of `features`."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    rows, columns = centred.shape
    return centred if rows <= columns else np.asarray(np.linalg.qr(centred, mode="r"))


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Return the squared Frechet distance between the Gaussians fitted to two sets of features.

    With covariances `A.T @ A` and `B.T @ B`, the eigenvalues of their product are the squared singular values of
    `A @ B.T`, so the trace of the product's root is the sum of these singular values. The matrix has only as many rows
    and columns as there are images, no root of a (singular) 2048x2048 matrix is taken, and nothing can turn complex.

    Arguments:
        features_a: Features with shape `(N, D)`.
        features_b: Features with shape `(M, D)`.

    Returns:
        The distance, at least 0. It falls with the number of images: compare values of equal N only.

    Raises:
        UserError: A set has fewer than two members, or the features differ in number.

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel, Ramsauer,
        Unterthiner, Nessler and Hochreiter, 2017), https://arxiv.org/abs/1706.08500
    """
    a, b = np.asarray(features_a, dtype=np.float64), np.asarray(features_b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise UserError(f"FID compares two tables of features with the same columns and got {a.shape} and {b.shape}")
    if min(len(a), len(b)) < 2:
        raise UserError(f"FID needs at least two images on either side and got {len(a)} and {len(b)}")
    offset = a.mean(axis=0) - b.mean(axis=0)
    spread_a, spread_b = _deviations(a), _deviations(b)
    shared = np.linalg.svd(spread_a @ spread_b.T, compute_uv=False).sum()
    distance = offset @ offset + np.square(spread_a).sum() + np.square(spread_b).sum() - 2.0 * shared
    return max(float(distance), 0.0)


class Fid:
    """Collects features image by image and compares the two sets at the end.

    Rows are sorted by key before anything is summed, so the order in which images arrive does not touch a single bit.
    """

    def __init__(self) -> None:
        self._rows: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def update(self, key: str, restored: np.ndarray, clean: np.ndarray) -> None:
        """Add the features of one restored image and of its clean image, each with shape `(D,)`."""
        self._rows[key] = (restored, clean)

    def compute(self) -> float:
        """Return the distance between all restored and all clean images added so far.

        Raises:
            UserError: Fewer than two images were added.
        """
        rows = [self._rows[key] for key in sorted(self._rows)]
        if len(rows) < 2:
            raise UserError(f"FID needs at least two images on either side and got {len(rows)}")
        return frechet_distance(np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows]))
