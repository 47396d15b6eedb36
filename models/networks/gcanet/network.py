"""GCANet: smoothed dilated convolutions between two scales, their depths mixed by a learned gate."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.padding import Padding, pad


def edge_map(image: Tensor) -> Tensor:
    """Return how much pixels differ from their neighbours.

    Arguments:
        image: With shape `(B, 3, H, W)`, on any scale.

    Returns:
        The absolute differences to the up to four neighbours, added, divided by 4 and averaged over the channels, with
        shape `(B, 1, H, W)`.
    """
    across = image.diff(dim=3).abs().mean(dim=1, keepdim=True)
    down = image.diff(dim=2).abs().mean(dim=1, keepdim=True)
    edges = F.pad(across, (1, 0)) + F.pad(across, (0, 1)) + F.pad(down, (0, 0, 1, 0)) + F.pad(down, (0, 0, 0, 1))
    return edges / 4


class SharedConv(nn.Module):
    """Filters every channel with one and the same kernel, so that a dilated convolution sees no gaps.

    Arguments:
        size: Side of the kernel, odd.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        weight = torch.zeros(1, 1, size, size)
        weight[..., size // 2, size // 2] = 1  # untrained, it changes nothing
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Filter `x` with shape `(B, C, H, W)`."""
        channels = x.shape[1]
        return F.conv2d(x, self.weight.expand(channels, -1, -1, -1), padding=self.size // 2, groups=channels)


class DilatedBlock(nn.Module):
    """Two 3x3 convolutions with instance norms, added to what came in; smoothed before where they are dilated.

    Arguments:
        channels: The number C of channels.
        dilation: Distance of the taps.
    """

    def __init__(self, channels: int, *, dilation: int) -> None:
        super().__init__()

        def smooth() -> nn.Module | None:
            return SharedConv(2 * dilation - 1) if dilation > 1 else None

        def conv() -> nn.Conv2d:
            return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)

        self.pre_conv1 = smooth()
        self.conv1 = conv()
        self.norm1 = nn.InstanceNorm2d(channels, affine=True)
        self.pre_conv2 = smooth()
        self.conv2 = conv()
        self.norm2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        y = x if self.pre_conv1 is None else self.pre_conv1(x)
        y = F.relu(self.norm1(self.conv1(y)))
        y = y if self.pre_conv2 is None else self.pre_conv2(y)
        return F.relu(x + self.norm2(self.conv2(y)))


class GCANet(nn.Module):
    """The published network, with the published state-dict keys.

    The authors' script resizes images to multiples of 4; nothing in the network asks for more than even sizes, and here
    images are extended to those and keep their pixels.

    Arguments:
        width: Channels.
        residual: Whether the network predicts what to add to the image, as the released one for haze does, or the image
            itself, as the one for rain.

    References:
        Gated Context Aggregation Network for Image Dehazing and Deraining (Chen et al., 2019)
        https://arxiv.org/abs/1811.08747
    """

    # An instance norm follows these and takes their effect away.
    without_gradient = (r"deconv[23]\.bias",)

    def __init__(self, *, width: int = 64, residual: bool = True) -> None:
        super().__init__()
        if width < 1:
            raise UserError(f"GCANet needs a width of at least 1 (got {width})")
        self.multiple_of = 2
        self.minimum_size = 4  # at half the size, a single pixel has no spread to be normalised by
        self.residual = residual
        self.conv1 = nn.Conv2d(4, width, 3, padding=1, bias=False)
        self.norm1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.InstanceNorm2d(width, affine=True)
        self.conv3 = nn.Conv2d(width, width, 3, padding=1, stride=2, bias=False)
        self.norm3 = nn.InstanceNorm2d(width, affine=True)
        self.res1 = DilatedBlock(width, dilation=2)
        self.res2 = DilatedBlock(width, dilation=2)
        self.res3 = DilatedBlock(width, dilation=2)
        self.res4 = DilatedBlock(width, dilation=4)
        self.res5 = DilatedBlock(width, dilation=4)
        self.res6 = DilatedBlock(width, dilation=4)
        self.res7 = DilatedBlock(width, dilation=1)
        self.gate = nn.Conv2d(3 * width, 3, 3, padding=1)
        self.deconv3 = nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)
        self.norm4 = nn.InstanceNorm2d(width, affine=True)
        self.deconv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm5 = nn.InstanceNorm2d(width, affine=True)
        self.deconv1 = nn.Conv2d(width, 3, 1)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        height, width = degraded.shape[2:]
        even, _, _ = pad(degraded, Padding(multiple_of=self.multiple_of, minimum_size=self.minimum_size))
        image = 255 * even
        predicted = self.published(torch.cat([image, edge_map(image)], dim=1) - 128)
        restored = (image + predicted if self.residual else predicted) / 255
        return restored[..., :height, :width]

    def published(self, x: Tensor) -> Tensor:
        """Run the layers on the authors' scale.

        Arguments:
            x: The image in [0, 255] and its edge map, both less 128, with shape `(B, 4, H, W)`, H and W even.

        Returns:
            What to add to the image, or the image itself, in 0 to 255, with shape `(B, 3, H, W)`.
        """
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        shallow = F.relu(self.norm3(self.conv3(x)))
        middle = self.res4(self.res3(self.res2(self.res1(shallow))))
        deep = self.res7(self.res6(self.res5(middle)))
        gates = self.gate(torch.cat([shallow, middle, deep], dim=1)).chunk(3, dim=1)
        x = shallow * gates[0] + middle * gates[1] + deep * gates[2]
        x = F.relu(self.norm4(self.deconv3(x)))
        x = self.deconv1(F.relu(self.norm5(self.deconv2(x))))
        return x if self.residual else F.relu(x)

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the shapes of a state dict; whether it is residual, no tensor tells.

        Raises:
            UserError: The keys are not those of a GCANet.
        """
        if "res4.pre_conv1.weight" not in state or "gate.weight" not in state:
            raise UserError(
                "these are not the weights of GCANet: there is no 'res4.pre_conv1.weight' or no 'gate.weight'"
            )
        return {"width": int(state["gate.weight"].shape[1]) // 3}
