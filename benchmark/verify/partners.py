"""Looking for the clean image that a badly fitting degraded image belongs to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.verify.rows import Row
from benchmark.verify.structure import SIDE, correlation, structure

_BATCH = 1024  # descriptions in memory at once: 34 MB


@dataclass(frozen=True, eq=False)
class Partner:
    """A clean image that fits better than the own one.

    Arguments:
        row: A pair that holds it.
        correlation: Its two correlations with the degraded image.
        gain: By how much both grow at least.
        mutual: Whether that pair's degraded image fits this pair's clean image best in turn.
    """

    row: Row
    correlation: np.ndarray
    gain: float
    mutual: bool = False


def better_partners(rows: Sequence[Row], cleans: Sequence[Row]) -> dict[str, Partner]:
    """Compare each pair that does not fit beyond doubt with all clean images of its size.

    Arguments:
        rows: Pairs with a `fit`.
        cleans: Rows with a `thumb`, one for each different clean image.

    Returns:
        By key, the partner of each pair for which one was found.
    """
    doubtful = [row for row in rows if row.fit is not None and row.fit.thumb is not None]
    sizes: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for clean in cleans:
        sizes[clean.size].append(clean)
    found: dict[str, Partner] = {}
    owner: dict[str, Row] = {}
    for size, others in sizes.items():
        suspects = [row for row in doubtful if row.size == size]
        for row, (other, both) in zip(suspects, _best(suspects, others), strict=True):
            assert row.fit is not None
            gain = float(np.min(both - row.fit.correlation))
            # The more images there are, the better the best of the wrong ones fits by chance.
            enough = 0.12 + 0.015 * max(0.0, math.log2(len(others) / 64))
            if other is not None and gain >= enough and both.min() >= 0.2:
                found[row.key] = Partner(other, both, gain)
                owner[row.key] = row
    wants = {(owner[key].clean_pixels, partner.row.clean_pixels) for key, partner in found.items()}
    return {
        key: Partner(p.row, p.correlation, p.gain, (p.row.clean_pixels, owner[key].clean_pixels) in wants)
        for key, p in found.items()
    }


def _best(suspects: Sequence[Row], others: Sequence[Row]) -> list[tuple[Row | None, np.ndarray]]:
    """Return for each suspect the clean image, not its own, with the largest mean correlation, and the two of it."""
    score = np.full(len(suspects), -np.inf)
    index = np.full(len(suspects), -1)
    for first in range(0, len(suspects), _BATCH):
        batch = suspects[first : first + _BATCH]
        described = _described([row.fit.thumb for row in batch if row.fit is not None and row.fit.thumb is not None])
        for start in range(0, len(others), _BATCH):
            block = others[start : start + _BATCH]
            scores = described @ _described([row.thumb for row in block if row.thumb is not None]).T
            pixels = np.array([row.clean_pixels for row in block])
            own = np.array([row.clean_pixels for row in batch])
            scores[own[:, None] == pixels[None]] = -np.inf
            best = scores.argmax(axis=1)
            here = scores[np.arange(len(batch)), best]
            better = here > score[first : first + len(batch)]
            score[first : first + len(batch)][better] = here[better]
            index[first : first + len(batch)][better] = best[better] + start
    results: list[tuple[Row | None, np.ndarray]] = []
    for row, chosen, value in zip(suspects, index, score, strict=True):
        if chosen < 0 or not np.isfinite(value):
            results.append((None, np.zeros(2, np.float32)))
            continue
        other = others[chosen]
        assert row.fit is not None
        assert row.fit.thumb is not None
        assert other.thumb is not None
        results.append((other, correlation(structure(row.fit.thumb), structure(other.thumb))))
    return results


def _described(thumbs: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([structure(thumb).reshape(2 * SIDE * SIDE) for thumb in thumbs])
