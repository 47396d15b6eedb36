"""Kernel inception distance between a set of restored images and the set of clean ones."""

from __future__ import annotations

import numpy as np

from benchmark.metrics.feature_pairs import FeaturePairs, checked_tables
from models.errors import UserError

FEWEST = 4
"""Images that a distance with its interval needs: half of them still have to be two."""

LARGEST_SUBSET = 1000
DRAWS = 200
BLOCK = 1024


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cubic polynomial kernel of every row of `a` with every row of `b`."""
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def _sums(a: np.ndarray, b: np.ndarray, *, skip_equal: bool) -> float:
    """Return the sum of the kernel over all pairs of rows, taken in blocks; or without the pairs of a row with itself.

    Neither the number of threads nor the size of the sets decides how much memory it takes.
    """
    total = 0.0
    for start in range(0, len(a), BLOCK):
        total += float(_kernel(a[start : start + BLOCK], b).sum())
    if skip_equal:
        total -= float(((np.square(a).sum(axis=1) / a.shape[1] + 1.0) ** 3).sum())
    return total


def kernel_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy under the kernel `(x.y / D + 1)^3`.

    It is taken over the whole sets. Published code takes the mean over subsets of 1000, which estimates the same
    number with more noise.

    Arguments:
        features_a: Features with shape `(N, D)`.
        features_b: Features with shape `(M, D)`.

    Returns:
        The distance. Sets that are equally distributed give about 0, and every second time less.

    Raises:
        UserError: A set has fewer than two members, or the features differ in number.

    References:
        Demystifying MMD GANs (Binkowski, Sutherland, Arbel and Gretton, 2018), https://arxiv.org/abs/1801.01401
    """
    a, b = checked_tables(features_a, features_b, "KID")
    n, m = len(a), len(b)
    within = _sums(a, a, skip_equal=True) / (n * (n - 1)) + _sums(b, b, skip_equal=True) / (m * (m - 1))
    return within - 2.0 * _sums(a, b, skip_equal=False) / (n * m)


def paired_interval(
    restored: np.ndarray, clean: np.ndarray, *, generator: np.random.Generator, draws: int = DRAWS
) -> tuple[float, float]:
    """Return a 95 % interval of `kernel_distance` of restored images and their clean ones.

    Drawing with replacement would compare images with themselves, which the unbiased estimate must not. So subsets
    without replacement are drawn, of half the images: around the distance of all of them they scatter as that scatters
    around the truth. Smaller subsets scatter more, by a factor that is known. A restored image and its clean one are
    drawn together.

    Arguments:
        restored: Features with shape `(N, D)`.
        clean: Features of their clean images in the same order.
        generator: Draws the subsets.
        draws: How many subsets.

    Raises:
        UserError: There are fewer than four images.
    """
    a, b = checked_tables(restored, clean, "KID")
    if len(a) != len(b) or len(a) < FEWEST:
        raise UserError(f"the interval of KID needs at least {FEWEST} pairs and got {len(a)} and {len(b)} images")
    whole, size = kernel_distance(a, b), min(len(a) // 2, LARGEST_SUBSET)
    scale = np.sqrt(size / (len(a) - size))
    deviations = []
    kernels = None if len(a) > 2 * LARGEST_SUBSET else (_kernel(a, a), _kernel(b, b), _kernel(a, b))
    for _ in range(draws):
        chosen = generator.choice(len(a), size=size, replace=False)
        deviations.append((_distance_of(a, b, chosen, kernels) - whole) * scale)
    low, high = np.quantile(deviations, [0.025, 0.975])
    # what lies above the estimate in the subsets, the truth lies below it
    return whole - float(high), whole - float(low)


def _distance_of(
    a: np.ndarray, b: np.ndarray, chosen: np.ndarray, kernels: tuple[np.ndarray, np.ndarray, np.ndarray] | None
) -> float:
    """Return the distance of a subset, from the kernels of the whole set where they fit into memory."""
    if kernels is None:
        return kernel_distance(a[chosen], b[chosen])
    size, pick = len(chosen), np.ix_(chosen, chosen)
    aa, bb, ab = (kernel[pick] for kernel in kernels)
    within = (aa.sum() - np.trace(aa) + bb.sum() - np.trace(bb)) / (size * (size - 1))
    return float(within - 2.0 * ab.mean())


class Kid(FeaturePairs):
    """The kernel distance between the two sets, with an interval."""

    def compute(self) -> float:
        """Return the distance between all restored and all clean images added so far."""
        return kernel_distance(*self.tables("KID"))

    def interval(self, *, seed: int = 0) -> tuple[float, float] | None:
        """Return the 95 % interval of `compute`; None for fewer than four images."""
        if len(self) < FEWEST:
            return None
        return paired_interval(*self.tables("KID"), generator=np.random.default_rng(seed))
