"""Frechet inception distance between a set of restored images and the set of clean ones."""

from __future__ import annotations

import numpy as np

from benchmark.metrics.feature_pairs import FeaturePairs, checked_tables
from benchmark.metrics.inception import FEATURES


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
    a, b = checked_tables(features_a, features_b, "FID")
    offset = a.mean(axis=0) - b.mean(axis=0)
    spread_a, spread_b = _deviations(a), _deviations(b)
    shared = np.linalg.svd(spread_a @ spread_b.T, compute_uv=False).sum()
    distance = offset @ offset + np.square(spread_a).sum() + np.square(spread_b).sum() - 2.0 * shared
    return max(float(distance), 0.0)


class Fid(FeaturePairs):
    """The distance between the Gaussians fitted to the two sets."""

    def compute(self) -> float:
        """Return the distance between all restored and all clean images added so far."""
        return frechet_distance(*self.tables("FID"))

    def warning(self) -> str:
        """Return a sentence where the sets are small against the number of features, as then the distance is biased."""
        few = f"FID of {len(self)} images, fewer than its {FEATURES} features: compare it at equal N only"
        return few if len(self) < FEATURES else ""
