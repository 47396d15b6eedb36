"""Inception-ResNet-v2 as a backbone: blocks of parallel convolutions, with the keys of the file that everybody has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-3
Size = int | tuple[int, int]


class ImageNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics of each image itself, in training and after it.

    The running statistics exist for the sake of the published keys; they are neither used nor changed.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map images with shape `(B, C, H, W)`."""
        return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


class ConvNorm(nn.Module):
    """A convolution without bias, normalised, and a ReLU.

    Arguments:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel: Height and width of the kernel.
        stride: Step of the kernel.
        padding: Zeros around the input.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Size, *, stride: int = 1, padding: Size = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = ImageNorm(outputs, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, inputs, H, W)`."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Branches(nn.Module):
    """Parallel branches whose results are put side by side, after them the branch that only pools.

    Arguments:
        branches: The branches.
        pool: Whether a maximum over 3x3 pixels with stride 2 is one more branch.
    """

    def __init__(self, branches: Sequence[nn.Module], *, pool: bool = False) -> None:
        super().__init__()
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        outputs = [branch(x) for branch in self.children()]
        if self.pool:
            outputs.append(F.max_pool2d(x, 3, stride=2))
        return torch.cat(outputs, dim=1)


class ResidualBranches(nn.Module):
    """Parallel branches, joined by a 1x1 convolution, weighed and added to the input.

    Arguments:
        channels: Channels C of the input.
        joined: Channels of all branches together.
        branches: The branches.
        scale: Weight of what is added.
        activate: Whether a ReLU follows.
    """

    def __init__(
        self, channels: int, joined: int, branches: Sequence[nn.Module], *, scale: float, activate: bool = True
    ) -> None:
        super().__init__()
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)
        self.branches = len(branches)
        self.conv2d = nn.Conv2d(joined, channels, 1)
        self.scale, self.activate = scale, activate

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        outputs = [self.get_submodule(f"branch{number}")(x) for number in range(self.branches)]
        x = x + self.scale * self.conv2d(torch.cat(outputs, dim=1))
        return F.relu(x, inplace=True) if self.activate else x


class InceptionResNetV2(nn.Module):
    """The layers of the network with their published names; whoever uses it as a backbone connects them.

    Arguments:
        repeats: How often the blocks of the three resolutions are repeated.
        slim: Divisor of all channel counts; 1 as published.
        classes: Answers of the classifier, whose weights released files hold too.

    References:
        Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning (Szegedy et al., 2016)
        https://arxiv.org/abs/1602.07261
    """

    def __init__(self, *, repeats: Sequence[int] = (10, 20, 9), slim: int = 1, classes: int = 1000) -> None:
        super().__init__()

        def chain(inputs: int, *layers: tuple[int, Size, int, Size]) -> nn.Sequential:
            """Convolutions one after the other, each as (channels, kernel, stride, padding)."""
            steps, last = [], inputs // slim
            for channels, kernel, stride, padding in layers:
                steps.append(ConvNorm(last, channels // slim, kernel, stride=stride, padding=padding))
                last = channels // slim
            return nn.Sequential(*steps)

        def single(inputs: int, *layer: int) -> ConvNorm:
            outputs, kernel, stride, padding = layer
            return ConvNorm(inputs // slim, outputs // slim, kernel, stride=stride, padding=padding)

        def block(channels: int, joined: int, branches: Sequence[nn.Module], *, scale: float) -> ResidualBranches:
            return ResidualBranches(channels // slim, joined // slim, branches, scale=scale)

        def fine() -> ResidualBranches:
            branches = (
                single(320, 32, 1, 1, 0),
                chain(320, (32, 1, 1, 0), (32, 3, 1, 1)),
                chain(320, (32, 1, 1, 0), (48, 3, 1, 1), (64, 3, 1, 1)),
            )
            return block(320, 128, branches, scale=0.17)

        def middle() -> ResidualBranches:
            lines = chain(1088, (128, 1, 1, 0), (160, (1, 7), 1, (0, 3)), (192, (7, 1), 1, (3, 0)))
            return block(1088, 384, (single(1088, 192, 1, 1, 0), lines), scale=0.10)

        def coarse() -> ResidualBranches:
            lines = chain(2080, (192, 1, 1, 0), (224, (1, 3), 1, (0, 1)), (256, (3, 1), 1, (1, 0)))
            return block(2080, 448, (single(2080, 192, 1, 1, 0), lines), scale=0.20)

        self.conv2d_1a = ConvNorm(3, 32 // slim, 3, stride=2)
        self.conv2d_2a = single(32, 32, 3, 1, 0)
        self.conv2d_2b = single(32, 64, 3, 1, 1)
        self.conv2d_3b = single(64, 80, 1, 1, 0)
        self.conv2d_4a = single(80, 192, 3, 1, 0)
        pooled = nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), single(192, 64, 1, 1, 0))
        self.mixed_5b = Branches(
            (
                single(192, 96, 1, 1, 0),
                chain(192, (48, 1, 1, 0), (64, 5, 1, 2)),
                chain(192, (64, 1, 1, 0), (96, 3, 1, 1), (96, 3, 1, 1)),
                pooled,
            )
        )
        self.repeat = nn.Sequential(*(fine() for _ in range(repeats[0])))
        halved = chain(320, (256, 1, 1, 0), (256, 3, 1, 1), (384, 3, 2, 0))
        self.mixed_6a = Branches((single(320, 384, 3, 2, 0), halved), pool=True)
        self.repeat_1 = nn.Sequential(*(middle() for _ in range(repeats[1])))
        self.mixed_7a = Branches(
            (
                chain(1088, (256, 1, 1, 0), (384, 3, 2, 0)),
                chain(1088, (256, 1, 1, 0), (288, 3, 2, 0)),
                chain(1088, (256, 1, 1, 0), (288, 3, 1, 1), (320, 3, 2, 0)),
            ),
            pool=True,
        )
        self.repeat_2 = nn.Sequential(*(coarse() for _ in range(repeats[2])))
        self.block8 = coarse()
        self.block8.activate = False
        self.conv2d_7b = single(2080, 1536, 1, 1, 0)
        self.last_linear = nn.Linear(1536 // slim, classes)
