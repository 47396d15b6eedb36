"""Which degradation an image has: the word whose text embedding is closest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.daclip.controller import DaClip
from models.daclip.tokenise import tokenise


@torch.no_grad()
def embed_words(daclip: DaClip, words: Sequence[str]) -> Tensor:
    """Return the normalised text embeddings of K words, with shape `(K, E)`."""
    tokens = tokenise(words, context_length=daclip.context_length)
    return daclip.encode_text(tokens.to(daclip.logit_scale.device), normalize=True)


@torch.no_grad()
def cosines(daclip: DaClip, images: Tensor, words: Tensor, *, plain: bool = False) -> Tensor:
    """Compare images with words.

    Arguments:
        daclip: The model.
        images: Preprocessed images with shape `(B, 3, S, S)`.
        words: What `embed_words` returned, with shape `(K, E)`.
        plain: True to use plain CLIP's image embedding in place of the degradation embedding.

    Returns:
        Cosines with shape `(B, K)`.
    """
    features = daclip.encode_image(images, normalize=True) if plain else daclip.embed(images, normalize=True)[1]
    return features @ words.T


def classify(daclip: DaClip, images: Tensor, words: Sequence[str] | Tensor, *, plain: bool = False) -> Tensor:
    """Return the index of the best word for each image, int64 with shape `(B,)`.

    Arguments:
        daclip: The model.
        images: Preprocessed images with shape `(B, 3, S, S)`.
        words: The degradation words, or what `embed_words` returned for them.
        plain: True to use plain CLIP's image embedding in place of the degradation embedding.
    """
    embedded = words if isinstance(words, Tensor) else embed_words(daclip, words)
    return cosines(daclip, images, embedded, plain=plain).argmax(dim=1)
