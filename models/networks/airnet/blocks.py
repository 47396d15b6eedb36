"""The blocks of AirNet's restoration: features bent and scaled by a map of the degradation."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from models.networks.deformable import deformed

SLOPE = 0.1
TAPS = 9


class GuidedDeformation(nn.Module):
    """A 3x3 deformable convolution whose offsets and weights follow from features and degradation map.

    Arguments:
        channels: The number C of channels.

    References:
        Deformable ConvNets v2: More Deformable, Better Results (Zhu et al., 2018)
        https://arxiv.org/abs/1811.11168
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(channels, channels, 3, 3), a=5**0.5))
        self.conv_offset_mask = nn.Conv2d(2 * channels, 3 * TAPS, 3, padding=1)
        # Untrained, it is a plain convolution at half strength.
        for parameter in self.conv_offset_mask.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, degradation: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, guided by a map of the same shape."""
        guidance = self.conv_offset_mask(torch.cat([x, degradation], dim=1)).float()
        offset, mask = guidance[:, : 2 * TAPS], guidance[:, 2 * TAPS :].sigmoid()
        single, weight = x.float(), self.weight.float()  # torchvision's kernel knows no other precision
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return deformed(single, offset, mask, weight).to(x.dtype)
        return deform_conv2d(single, offset, weight, padding=(1, 1), mask=mask).to(x.dtype)


class GuidedScale(nn.Module):
    """Scale and shift features by what two small networks make of the degradation map.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

        def pointwise() -> nn.Sequential:
            first, second = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(2))
            return nn.Sequential(first, nn.LeakyReLU(SLOPE), second)

        self.conv_gamma = pointwise()
        self.conv_beta = pointwise()

    def forward(self, x: Tensor, degradation: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, guided by a map of the same shape."""
        return torch.addcmul(self.conv_beta(degradation), x, self.conv_gamma(degradation))


class GuidedModule(nn.Module):
    """The input, its guided deformation and its guided scaling, added.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dcn = GuidedDeformation(channels)
        self.sft = GuidedScale(channels)

    def forward(self, x: Tensor, degradation: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, guided by a map of the same shape."""
        return x + self.dcn(x, degradation) + self.sft(x, degradation)


class GuidedBlock(nn.Module):
    """Guided modules and convolutions in turn, added to the input.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dgm1 = GuidedModule(channels)
        self.dgm2 = GuidedModule(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, degradation: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, guided by a map of the same shape."""
        y = F.leaky_relu(self.conv1(F.leaky_relu(self.dgm1(x, degradation), SLOPE)), SLOPE)
        return x + self.conv2(F.leaky_relu(self.dgm2(y, degradation), SLOPE))


def through(body: nn.ModuleList, x: Tensor, degradation: Tensor) -> Tensor:
    """Run guided parts one after the other and a closing convolution, and add the input.

    Arguments:
        body: The guided parts, then the convolution.
        x: Features with shape `(B, C, H, W)`.
        degradation: A map of the same shape.
    """
    *parts, last = body
    y = x
    for part in parts:
        y = part(y, degradation)
    return x + last(y)


class GuidedGroup(nn.Module):
    """Guided blocks and a convolution, added to the input.

    Arguments:
        channels: The number C of channels.
        blocks: The number of guided blocks.
    """

    def __init__(self, channels: int, *, blocks: int) -> None:
        super().__init__()
        self.body = guided_body(channels, (GuidedBlock(channels) for _ in range(blocks)))

    def forward(self, x: Tensor, degradation: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, guided by a map of the same shape."""
        return through(self.body, x, degradation)


def guided_body(channels: int, parts: Iterable[nn.Module]) -> nn.ModuleList:
    """Return guided parts and the convolution that closes them, as `through` runs them."""
    return nn.ModuleList([*parts, nn.Conv2d(channels, channels, 3, padding=1)])
