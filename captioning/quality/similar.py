"""Captions with the same or nearly the same words, found exactly among tens of thousands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil

import numpy as np

_SLACK = 1e-9  # so that 0.8 * 5 is not 4.000000001 words


def near_identical(
    word_lists: Sequence[Sequence[str]],
    *,
    threshold: float = 0.8,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[int, tuple[int, float]]:
    """Find, for every text, the other text whose set of words is most like its own.

    Likeness is the Jaccard index: words that both hold over words that either holds. Nothing is sampled: two sets above
    the threshold must share one of their few rarest words (the prefix filter), so only such pairs are compared.

    Arguments:
        word_lists: The words of different texts.
        threshold: Least Jaccard index, above 0 and at most 1.
        progress: Called with the number of texts done.

    Returns:
        For each index with such a partner, the index of the closest one (the first, when several are as close) and
        their likeness.

    References:
        Scaling Up All Pairs Similarity Search (Bayardo et al., 2007) https://doi.org/10.1145/1242572.1242591
        Efficient Similarity Joins for Near Duplicate Detection (Xiao et al., 2008) https://doi.org/10.1145/1367497.1367516
    """
    frequency = Counter(word for words in word_lists for word in set(words))
    rank = {word: n for n, word in enumerate(sorted(frequency, key=lambda word: (frequency[word], word)))}
    # Shorter texts first: each text then looks only at shorter ones, and rarest words first within a text.
    texts = sorted(
        (len(items), index, items)
        for index, items in enumerate(sorted(rank[word] for word in set(words)) for words in word_lists)
        if items
    )
    if not texts:
        return {}
    sizes = np.array([size for size, _, _ in texts])
    origin = np.array([index for _, index, _ in texts])
    padded = np.full((len(texts), sizes[-1]), len(rank))
    postings: dict[int, list[int]] = {}
    for place, (size, _, items) in enumerate(texts):
        padded[place, :size] = items
        for item in items[: size - ceil(2 * threshold / (1 + threshold) * size - _SLACK) + 1]:
            postings.setdefault(item, []).append(place)
    holders = {item: np.array(places) for item, places in postings.items()}
    likeness = np.zeros(len(texts))
    partner = np.full(len(texts), len(word_lists))
    present = np.zeros(len(rank) + 1, dtype=bool)
    for place, (size, index, items) in enumerate(texts):
        least = ceil(threshold * size - _SLACK)
        first = int(np.searchsorted(sizes, least))
        found = [holders[item] for item in items[: size - least + 1] if item in holders]
        found = [places[np.searchsorted(places, first) : np.searchsorted(places, place)] for places in found]
        others = np.concatenate(found) if found else np.empty(0, dtype=int)
        present[items] = True
        shared = present[padded[others]].sum(axis=1)
        present[items] = False
        alike = shared / (size + sizes[others] - shared)
        others, alike = others[alike >= threshold - _SLACK], alike[alike >= threshold - _SLACK]
        if len(others):
            closer = (alike > likeness[others]) | ((alike == likeness[others]) & (index < partner[others]))
            likeness[others[closer]], partner[others[closer]] = alike[closer], index
            closest = np.lexsort((origin[others], -alike))[0]
            likeness[place], partner[place] = alike[closest], origin[others[closest]]
        if place % 256 == 0:
            progress(place)
    progress(len(word_lists))
    return {
        int(origin[place]): (int(partner[place]), float(likeness[place]))
        for place in sorted(np.flatnonzero(likeness), key=lambda place: origin[place])
    }
