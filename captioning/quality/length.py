"""How long captions are: in words, and in the tokens that CLIP's text tower reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

CONTEXT_LENGTH = 77
"""Tokens that CLIP reads, the start and end tokens among them."""


def token_counts(texts: Sequence[str], *, progress: Callable[[int], None] = lambda done: None) -> list[int]:
    """Count CLIP's tokens of each text, with the start and the end token, uncut.

    Arguments:
        texts: Captions, or captions joined with their degradation.
        progress: Called with the number of texts done.
    """
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    counts: dict[str, int] = {}
    for done, text in enumerate(texts):
        if text not in counts:
            counts[text] = len(tokenizer.encode(text)) + 2
        if done % 256 == 0:
            progress(done)
    progress(len(texts))
    return [counts[text] for text in texts]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return least, 5 %, median, mean, 95 % and greatest of some numbers; nothing for none."""
    import numpy as np

    if not len(values):
        return {}
    low, median, high = (float(x) for x in np.percentile(values, (5, 50, 95)))
    return {
        "least": float(min(values)),
        "5 %": low,
        "median": median,
        "mean": float(np.mean(values)),
        "95 %": high,
        "greatest": float(max(values)),
    }
