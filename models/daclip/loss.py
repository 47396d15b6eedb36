"""DA-CLIP's training loss: two symmetric contrastive terms under one temperature."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.daclip.controller import DaClip, Features

MAX_LOGIT_SCALE = math.log(100)


class DaClipLoss(NamedTuple):
    """The two terms, in nats, averaged over the batch; their sum is minimised."""

    content: Tensor
    degradation: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the two terms."""
        return self.content + self.degradation


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Return the symmetric cross-entropy of matching images and texts within a batch, in nats.

    Row i of the images belongs to row i of the texts; equal texts elsewhere in the batch count as wrong.

    Arguments:
        image: Normalised image features with shape `(B, E)`.
        text: Normalised text features with shape `(B, E)`.
        scale: Factor on the cosines, a scalar.

    References:
        Learning Transferable Visual Models From Natural Language Supervision (Radford et al., 2021)
        https://arxiv.org/abs/2103.00020
    """
    logits = scale * image @ text.T
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def multi_positive_loss(image: Tensor, text: Tensor, scale: Tensor, labels: Tensor) -> Tensor:
    """Return the contrastive loss in which all rows with the same label belong together, in nats.

    What is maximised is the probability of all positives together, so a perfect model reaches 0 whatever the batch.
    (With the mean over the positives instead, equal texts would give the gradients of `contrastive_loss` again: only
    its floor would be gone.)

    Arguments:
        image: Normalised image features with shape `(B, E)`.
        text: Normalised text features with shape `(B, E)`.
        scale: Factor on the cosines, a scalar.
        labels: Class indices with shape `(B,)`, equal where the texts are.

    References:
        End-to-End Learning of Visual Representations from Uncurated Instructional Videos (Miech et al., 2020)
        https://arxiv.org/abs/1912.06430
    """
    logits = scale * image @ text.T
    others = labels[:, None] != labels[None]
    positives = logits.masked_fill(others, -torch.inf)
    rows = logits.logsumexp(dim=1) - positives.logsumexp(dim=1)
    columns = logits.logsumexp(dim=0) - positives.logsumexp(dim=0)
    return (rows.mean() + columns.mean()) / 2


def daclip_loss(features: Features, *, labels: Tensor | None = None) -> DaClipLoss:
    """Compare content embeddings with captions, and degradation embeddings with degradation words.

    Arguments:
        features: Of a batch, or of the batches of all processes together (see `gather`).
        labels: None for the published loss; the degradations as class indices with shape `(B,)` to let all images with
            the same degradation be positives of its text.
    """
    image, text, scale = features.degradation, features.degradation_text, features.logit_scale
    return DaClipLoss(
        content=contrastive_loss(features.content, features.caption, scale),
        degradation=(
            contrastive_loss(image, text, scale) if labels is None else multi_positive_loss(image, text, scale, labels)
        ),
    )


@torch.no_grad()
def clamp_logit_scale(daclip: DaClip) -> None:
    """Keep the logarithm of the logit scale within [0, ln 100]; to be called after every step."""
    daclip.logit_scale.clamp_(0, MAX_LOGIT_SCALE)


def degradation_loss_floor(labels: Tensor) -> float:
    """Return the smallest value that the degradation term can take for a batch with these degradations, in nats.

    Images with the same degradation share one text, so a perfect model still spreads its guess over all of them: the
    floor is ln B - H(p), with p the shares of the degradations in the batch. One degradation alone gives ln B.

    Arguments:
        labels: The degradations as class indices, with shape `(B,)`.
    """
    counts = torch.unique(labels, return_counts=True)[1].double()
    shares = counts / counts.sum()
    return float((shares * counts.log()).sum())
