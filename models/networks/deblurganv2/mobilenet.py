"""MobileNetV2 as a backbone: narrow blocks that widen inside, with the keys of its first PyTorch version."""

from __future__ import annotations

from torch import Tensor, nn

from models.networks.deblurganv2.inception_resnet import ImageNorm

# Factor of widening, channels, blocks and stride of each stage.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
FIRST, LAST = 32, 1280


class InvertedBlock(nn.Module):
    """Widen, convolve each channel, narrow; added to the input where shapes allow.

    Arguments:
        inputs: Channels of the input.
        outputs: Channels of the output.
        stride: Step of the convolution.
        factor: How much wider it is inside.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, factor: int) -> None:
        super().__init__()
        hidden = inputs * factor
        widen = [nn.Conv2d(inputs, hidden, 1, bias=False), ImageNorm(hidden), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(
            *(widen if factor > 1 else []),
            nn.Conv2d(hidden, hidden, 3, stride=stride, padding=1, groups=hidden, bias=False),
            ImageNorm(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            ImageNorm(outputs),
        )
        self.added = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, inputs, H, W)`."""
        return x + self.conv(x) if self.added else self.conv(x)


def mobilenet_features(slim: int = 1) -> nn.Sequential:
    """Return the layers of MobileNetV2 up to its classifier.

    Arguments:
        slim: Divisor of all channel counts; 1 as published.

    References:
        MobileNetV2: Inverted Residuals and Linear Bottlenecks (Sandler et al., 2018) https://arxiv.org/abs/1801.04381
    """

    def normed(conv: nn.Conv2d) -> nn.Sequential:
        return nn.Sequential(conv, ImageNorm(conv.out_channels), nn.ReLU6(inplace=True))

    last = FIRST // slim
    layers: list[nn.Module] = [normed(nn.Conv2d(3, last, 3, stride=2, padding=1, bias=False))]
    for factor, channels, blocks, stride in STAGES:
        for number in range(blocks):
            step = stride if number == 0 else 1
            layers.append(InvertedBlock(last, channels // slim, stride=step, factor=factor))
            last = channels // slim
    layers.append(normed(nn.Conv2d(last, LAST // slim, 1, bias=False)))
    return nn.Sequential(*layers)
