"""AirNet's degradation encoder: what is wrong with an image, learned by telling crops of one image from others."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a normalised 1x1 one.

    Arguments:
        before: Channels of the input.
        after: Channels C of the output.
        stride: 2 to halve the size.
    """

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C', H, W)` to `(B, C, H, W)`, or half that size."""
        return F.leaky_relu(self.backbone(x) + self.shortcut(x), SLOPE)


class Encoder(nn.Module):
    """From an image to a map of its degradation, and on to one vector.

    Arguments:
        width: Channels of the map; the vector has four times as many.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.E_pre = ResidualBlock(3, width)
        self.E = nn.Sequential(
            ResidualBlock(width, 2 * width, stride=2),
            ResidualBlock(2 * width, 4 * width, stride=2),
            nn.AdaptiveAvgPool2d(1),
        )
        self.mlp = nn.Sequential(nn.Linear(4 * width, 4 * width), nn.LeakyReLU(SLOPE), nn.Linear(4 * width, 4 * width))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps with shape `(B, C, H, W)` and unit vectors with shape `(B, 4C)` for `(B, 3, H, W)`."""
        degradation = self.E_pre(images)
        return degradation, F.normalize(self.mlp(self.E(degradation).flatten(1)), dim=1)


class MomentumContrast(nn.Module):
    """An encoder that learns by contrast: two crops of one image agree, and differ from the crops of earlier images.

    The keys come from a second encoder that follows the first slowly and gets no gradient; keys of earlier batches wait
    in a queue, the newest in the place of the oldest. Each process of a distributed run fills a queue of its own.

    Arguments:
        width: Channels of the degradation map.
        queue: The number K of keys in the queue.
        momentum: How much of itself the second encoder keeps at each step.
        temperature: Divides the similarities.

    References:
        Momentum Contrast for Unsupervised Visual Representation Learning (He et al., 2019)
        https://arxiv.org/abs/1911.05722
    """

    followers = ("encoder_k",)
    """Parts that change in training without a gradient, so that checkpoints must hold them."""

    queue: Tensor
    queue_ptr: Tensor

    def __init__(self, *, width: int, queue: int, momentum: float, temperature: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.temperature = temperature
        self.encoder_q = Encoder(width)
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(4 * width, queue), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compare crops of the same images, then let the keys join the queue.

        Arguments:
            query: Crops with shape `(B, 3, H, W)`, in [0, 1].
            key: Other crops of the same images, in the same order.

        Returns:
            The degradation maps of the queries with shape `(B, C, H, W)`; logits with shape `(B, 1 + K)`, the
            similarity to the key of the same image first; and the labels for a cross-entropy, which are zeros, with
            shape `(B,)`.
        """
        degradation, queries = self.encoder_q(query)
        with torch.no_grad():
            self._follow()
            keys = self.encoder_k(key)[1]
        same = (queries * keys).sum(dim=1, keepdim=True)
        # A copy: the queue changes below, and the gradient needs it as it was.
        others = queries @ self.queue.clone().to(queries.dtype)
        logits = torch.cat([same, others], dim=1) / self.temperature
        self._enqueue(keys)
        return degradation, logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device)

    @torch.no_grad()
    def _follow(self) -> None:
        for slow, fast in zip(self.encoder_k.parameters(), self.encoder_q.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.momentum)

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        size = self.queue.shape[1]
        places = (self.queue_ptr + torch.arange(len(keys), device=keys.device)) % size
        # Of more keys than there are places the last ones stay.
        self.queue[:, places[-size:]] = keys[-size:].T.to(self.queue.dtype)
        self.queue_ptr.copy_((self.queue_ptr + len(keys)) % size)


class DegradationEncoder(nn.Module):
    """The encoder under the name that it has in the released weights.

    Arguments:
        contrast: What it learns by.
    """

    def __init__(self, contrast: MomentumContrast) -> None:
        super().__init__()
        self.E = contrast

    def forward(self, images: Tensor) -> Tensor:
        """Return degradation maps with shape `(B, C, H, W)` for images with shape `(B, 3, H, W)`."""
        return self.E.encoder_q.E_pre(images)
