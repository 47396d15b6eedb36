"""Blocks that two networks or more are made of: norms, gates and the degradation prompt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of every pixel, with gain and bias.

    The work is done by the fused kernel on a channels-last view: for a tensor already stored channels-last, as the
    networks here keep theirs, nothing is copied; on a CPU that is several times faster than means over dimension 1.

    Arguments:
        channels: The number C of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map with shape `(B, C, H, W)`."""
        channels_last = x.permute(0, 2, 3, 1)
        return F.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of every pixel, with a gain only (`g`), as in the IR-SDE networks.

    Arguments:
        channels: The number C of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map with shape `(B, C, H, W)`."""
        gain = self.g.flatten()
        return F.layer_norm(x.permute(0, 2, 3, 1), gain.shape, gain, None, self.eps).permute(0, 3, 1, 2)


def simple_gate(x: Tensor, *, dim: int = 1) -> Tensor:
    """Multiply the two halves of `x` along `dim` with each other."""
    first, second = x.chunk(2, dim=dim)
    return first * second


def scaled_conv(conv: nn.Conv2d, factor: Tensor, x: Tensor) -> Tensor:
    """Return `factor * conv(x)` for a 1x1 convolution and a factor with shape `(1, C, 1, 1)`.

    The factor is multiplied into the weights, which are few, rather than into the map: one pass over the pixels less
    forwards and two less backwards.
    """
    bias = None if conv.bias is None else conv.bias * factor.flatten()
    return F.conv2d(x, conv.weight * factor.transpose(0, 1), bias)


class DegradationPrompt(nn.Module):
    """The learned prompt that a degradation embedding picks from.

    The embedding is turned into weights by an MLP and a softmax; the weights multiply a learned vector, and a linear
    layer follows.

    Arguments:
        embedding_dim: Length E of the degradation embedding.
        dim: Length P of the prompt.
        gain: Factor on the initial prompt, drawn from U[0, 1). The authors use 1; the softmax then makes the product of
            the order 1 / P, and the embedding is nearly silent early in training; `gain=P` brings it to the order 1.

    References:
        Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., 2024)
        https://arxiv.org/abs/2310.01018
    """

    def __init__(self, *, embedding_dim: int, dim: int, gain: float = 1.0) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(embedding_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.prompt = nn.Parameter(gain * torch.rand(1, dim))
        self.project = nn.Linear(dim, dim)

    def forward(self, degradation: Tensor) -> Tensor:
        """Return the prompt with shape `(B, P)` for un-normalised embeddings with shape `(B, E)`."""
        return self.project(self.mlp(degradation).softmax(dim=1) * self.prompt)
