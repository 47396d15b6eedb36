"""Texts to the token rows that DA-CLIP reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

CONTEXT_LENGTH = 77


def tokenise(texts: Sequence[str], *, context_length: int = CONTEXT_LENGTH) -> Tensor:
    """Tokenise texts with CLIP's vocabulary.

    Arguments:
        texts: N texts; one that is too long is cut and keeps its end token.
        context_length: Number of tokens of a row.

    Returns:
        Token ids with shape `(N, context_length)`, int64, padded with zeros.
    """
    import open_clip  # most networks need no CLIP, and it takes 250 MB and seconds

    return open_clip.tokenize(list(texts), context_length=context_length)


def tokenise_pairs(
    captions: Sequence[str], degradations: Sequence[str], *, context_length: int = CONTEXT_LENGTH
) -> Tensor:
    """Tokenise captions and degradation words into the rows that training uses.

    Arguments:
        captions: N captions.
        degradations: N degradation words, without any template around them.
        context_length: Number of tokens of each of the two texts.

    Returns:
        Token ids with shape `(N, 2 * context_length)`: the caption's, then the degradation's.
    """
    if len(captions) != len(degradations):
        raise ValueError(f"{len(captions)} captions but {len(degradations)} degradations")
    unique = sorted(set(degradations))
    words = dict(zip(unique, tokenise(unique, context_length=context_length), strict=True)) if unique else {}
    rows = tokenise(captions, context_length=context_length)
    return torch.cat([rows, torch.stack([words[word] for word in degradations])], dim=1) if unique else rows
