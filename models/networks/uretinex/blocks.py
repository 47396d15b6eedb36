"""The networks that URetinex-Net applies in turn: decomposition, the two priors, adjustment."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def alive(last: nn.Module) -> None:
    """Start a convolution in front of a last ReLU where that passes something on; else nothing would be learned."""
    nn.init.constant_(last.get_parameter("bias"), 0.5)


class Decomposition(nn.Module):
    """The first guess of reflectance and illumination.

    Arguments:
        width: Channels inside.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.decom = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 4, 3, padding=1),
            nn.ReLU(),
        )
        alive(self.decom[6])

    def forward(self, degraded: Tensor) -> tuple[Tensor, Tensor]:
        """Return reflectance `(B, 3, H, W)` and illumination `(B, 1, H, W)`, both at least 0."""
        both = self.decom(degraded)
        return both[:, :3], both[:, 3:]


class ChannelGate(nn.Module):
    """Squeeze and excitation: every channel is weighted by what the means of all channels say.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 16, 1)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )
        # Means of rectified maps are not negative: with positive weights no hidden unit is dead from the start.
        self.fc.get_parameter("0.weight").data.abs_()

    def forward(self, x: Tensor) -> Tensor:
        """Weight the channels of `x` with shape `(B, C, H, W)`."""
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class ReflectancePrior(nn.Module):
    """Cleans the reflectance, told the illumination.

    Arguments:
        width: Channels of the features of either; twice as many follow.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        double = 2 * width
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.conv2 = nn.Conv2d(1, width, 3, padding=1)
        self.se_layer = ChannelGate(double)
        self.conv3 = nn.Conv2d(double, double, 3, padding=1)
        self.conv4 = nn.Conv2d(double, double, 3, padding=1)
        self.conv5 = nn.Conv2d(double, double, 3, padding=1)
        self.conv6 = nn.Conv2d(double, double, 3, padding=1)
        self.conv7 = nn.Conv2d(double, double, 3, padding=1)
        self.conv8 = nn.Conv2d(double, 3, 3, padding=1)

    def forward(self, reflectance: Tensor, illumination: Tensor) -> Tensor:
        """Return the cleaned reflectance with shape `(B, 3, H, W)`."""
        x = F.relu(torch.cat([self.conv1(reflectance), self.conv2(illumination)], dim=1))
        x = self.se_layer(x)
        for conv in (self.conv3, self.conv4, self.conv5, self.conv6, self.conv7):
            x = F.relu(conv(x))
        return reflectance + self.conv8(x)


class IlluminationPrior(nn.Module):
    """Smooths the illumination.

    Arguments:
        width: Channels inside.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, width, 5, padding=2)
        self.conv3 = nn.Conv2d(width, width, 5, padding=2)
        self.conv4 = nn.Conv2d(width, width, 5, padding=2)
        self.conv5 = nn.Conv2d(width, 1, 1)
        alive(self.conv5)

    def forward(self, illumination: Tensor) -> Tensor:
        """Return the smoothed illumination with shape `(B, 1, H, W)`, at least 0."""
        x = illumination
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.leaky_relu(conv(x), 0.2)
        return F.relu(self.conv5(x))


class Adjustment(nn.Module):
    """Lights the illumination up by a wanted ratio.

    Arguments:
        width: Channels inside.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, width, 5, padding=2)
        self.conv3 = nn.Conv2d(width, width, 5, padding=2)
        self.conv4 = nn.Conv2d(width, 1, 5, padding=2)
        alive(self.conv4)

    def forward(self, illumination: Tensor, ratio: float) -> Tensor:
        """Return the new illumination with shape `(B, 1, H, W)`, at least 0."""
        x = torch.cat([illumination, torch.full_like(illumination, ratio)], dim=1)
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.leaky_relu(conv(x), 0.2)
        return F.relu(self.conv4(x))
