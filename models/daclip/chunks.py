"""Features of large batches in the memory of small ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from models.daclip.controller import DaClip, Features


def chunked_features(daclip: DaClip, image: Tensor, text: Tensor, *, chunk_size: int | None) -> Features:
    """Return what `daclip(image, text)` returns, with the activations of `chunk_size` images at a time.

    A contrastive loss needs the embeddings of the whole batch, but its gradient reaches the weights image by image: all
    embeddings are computed without a graph first; backwards each chunk is computed once more, with its graph, and takes
    the gradient of its own embeddings. The gradient is that of the whole batch for a third more computation.

    Arguments:
        daclip: The model.
        image: Preprocessed images with shape `(B, 3, S, S)`.
        text: Tokens with shape `(B, 154)`.
        chunk_size: Images a chunk; None for the whole batch at once.

    References:
        Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup (Gao et al., 2021)
        https://arxiv.org/abs/2101.06983
    """
    if chunk_size is None or chunk_size >= len(image):
        return daclip(image, text)
    contents, degradations = [], []
    for part in image.split(chunk_size):
        content, degradation = (
            checkpoint(daclip.embed, part, normalize=True, use_reentrant=False)
            if torch.is_grad_enabled()
            else daclip.embed(part, normalize=True)
        )
        contents.append(content)
        degradations.append(degradation)
    # The text tower is frozen: equal texts are embedded once, and nothing of them is kept.
    with torch.no_grad():
        caption, degradation_text = (_embed_texts(daclip, part, chunk_size) for part in text.chunk(2, dim=-1))
    return Features(
        content=torch.cat(contents),
        degradation=torch.cat(degradations),
        caption=caption,
        degradation_text=degradation_text,
        logit_scale=daclip.logit_scale.exp(),
    )


@torch.no_grad()
def clean_content(daclip: DaClip, clean: Tensor, *, chunk_size: int | None) -> Tensor:
    """Return the normalised content embeddings of clean images, as constants, with shape `(B, E)`."""
    parts = clean.split(chunk_size or len(clean))
    return torch.cat([daclip.embed(part, normalize=True)[0] for part in parts])


def _embed_texts(daclip: DaClip, text: Tensor, chunk_size: int) -> Tensor:
    unique, place = torch.unique(text, dim=0, return_inverse=True)
    return torch.cat([daclip.encode_text(part, normalize=True) for part in unique.split(chunk_size)])[place]
