"""How MAXIM lets maps weight each other: cross gating of two maps, and features weighted by a restored image.

Maps are kept as `(B, H, W, C)`, see `models.networks.maxim.mixing`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.maxim.joining import convolve, pointwise
from models.networks.maxim.mixing import MultiAxisWeights, gelu


class CrossGating(nn.Module):
    """Two maps, each multiplied by weights computed from the other one.

    Arguments:
        channels: The number C of channels of both results.
        x_channels: Channels of the first map.
        y_channels: Channels of the second one.
        size: Side of the blocks and of the grid.
        up: Whether the second map has half the height and width.
    """

    def __init__(self, channels: int, *, x_channels: int, y_channels: int, size: int, up: bool) -> None:
        super().__init__()
        if up:
            self.up = nn.ConvTranspose2d(y_channels, channels, 2, stride=2)
        self.in_x = nn.Conv2d(x_channels, channels, 1)
        self.in_y = nn.Conv2d(channels if up else y_channels, channels, 1)
        self.norm_x = nn.LayerNorm(channels, eps=1e-6)
        self.norm_y = nn.LayerNorm(channels, eps=1e-6)
        self.expand_x = nn.Linear(channels, channels)
        self.expand_y = nn.Linear(channels, channels)
        self.weights_x = MultiAxisWeights(channels, size=size)
        self.weights_y = MultiAxisWeights(channels, size=size)
        self.project_x = nn.Linear(channels, channels)
        self.project_y = nn.Linear(channels, channels)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return both gated maps.

        Arguments:
            x: With shape `(B, H, W, C)`, what `in_x` gives: the caller knows of what parts its input consists.
            y: With shape `(B, H, W, y_channels)`, or half the height and width.
        """
        y = pointwise(self.in_y, convolve(self.up, y) if hasattr(self, "up") else y)
        features_x = gelu(self.expand_x(self.norm_x(x)))
        features_y = gelu(self.expand_y(self.norm_y(y)))
        y = y + self.project_y(features_y * self.weights_x(features_x))
        return x + self.project_x(features_x * self.weights_y(features_y)) + y, y


class SupervisedAttention(nn.Module):
    """The restored image of a stage, and its features weighted by what that image looks like.

    Arguments:
        channels: The number C of channels.

    References:
        Multi-Stage Progressive Image Restoration (Zamir et al., 2021)
        https://arxiv.org/abs/2102.02808
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = nn.Conv2d(channels, channels, 3, padding=1)
        self.image = nn.Conv2d(channels, 3, 3, padding=1)
        self.attention = nn.Conv2d(3, channels, 3, padding=1)

    def forward(self, x: Tensor, degraded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features and the image, for features and the degraded image with shape `(B, H, W, 3)`."""
        image = convolve(self.image, x) + degraded
        return torch.addcmul(x, convolve(self.features, x), convolve(self.attention, image).sigmoid()), image
