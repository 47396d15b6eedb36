"""DeblurGANv2: a pyramid of features of a classifier, joined and turned into what is added to the image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.deblurganv2.inception_resnet import ImageNorm, InceptionResNetV2
from models.networks.deblurganv2.mobilenet import mobilenet_features

# Channels that the two backbones have at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size.
INCEPTION, MOBILENET = (32, 64, 192, 1088, 2080), (16, 24, 32, 64, 160)


def _normed(inputs: int, outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    return nn.Sequential(conv, ImageNorm(outputs, affine=False), nn.ReLU(inplace=True))


def _double(x: Tensor, times: int = 2) -> Tensor:
    return F.interpolate(x, scale_factor=times, mode="nearest")


class Pyramid(nn.Module):
    """What both pyramids have: the ways to the side and the way down."""

    def connect(self, channels: Sequence[int], pyramid: int) -> None:
        """Add the layers; they come after the backbone's in the published order of keys.

        Arguments:
            channels: Channels of the backbone from 1/2 to 1/32 of the size.
            pyramid: Channels of the pyramid.
        """
        self.td1 = _normed(pyramid, pyramid)
        self.td2 = _normed(pyramid, pyramid)
        self.td3 = _normed(pyramid, pyramid)
        for level in range(4, 0, -1):
            self.add_module(f"lateral{level}", nn.Conv2d(channels[level], pyramid, 1, bias=False))
        self.lateral0 = nn.Conv2d(channels[0], pyramid // 2, 1, bias=False)

    def aside(self, x: Tensor) -> list[Tensor]:
        """Return the features on all levels, finest first, each through its 1x1 convolution."""
        sides = []
        for level in range(5):
            x = self.get_submodule(f"enc{level}")(x)
            sides.append(self.get_submodule(f"lateral{level}")(x))
        return sides

    def aligned(self, sides: list[Tensor]) -> list[Tensor]:
        """Return the levels with sizes that are exact halves of each other."""
        return sides

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size of `x`."""
        first, second, third, fourth, fifth = self.aligned(self.aside(x))
        fourth = self.td1(fourth + _double(fifth))
        third = self.td2(third + _double(fourth))
        second = self.td3(second + _double(third))
        return [first, second, third, fourth, fifth]


class InceptionPyramid(Pyramid):
    """The pyramid over Inception-ResNet-v2, whose unpadded convolutions leave sizes that have to be filled up."""

    def __init__(self, *, pyramid: int, repeats: Sequence[int], slim: int, classes: int) -> None:
        super().__init__()
        self.inception = net = InceptionResNetV2(repeats=repeats, slim=slim, classes=classes)
        self.enc0 = net.conv2d_1a
        self.enc1 = nn.Sequential(net.conv2d_2a, net.conv2d_2b, nn.MaxPool2d(3, stride=2))
        self.enc2 = nn.Sequential(net.conv2d_3b, net.conv2d_4a, nn.MaxPool2d(3, stride=2))
        self.enc3 = nn.Sequential(net.mixed_5b, net.repeat, net.mixed_6a)
        self.enc4 = nn.Sequential(net.repeat_1, net.mixed_7a)
        self.connect([channels // slim for channels in INCEPTION], pyramid)

    def aligned(self, sides: list[Tensor]) -> list[Tensor]:
        """Mirror one, one or two, and one row and column outwards, where the backbone lost them."""
        borders = ((0, 1, 0, 1), (1, 1, 1, 1), (1, 2, 1, 2), (1, 1, 1, 1), (1, 1, 1, 1))
        return [F.pad(side, border, mode="reflect") for side, border in zip(sides, borders, strict=True)]


class MobilePyramid(Pyramid):
    """The pyramid over MobileNetV2."""

    def __init__(self, *, pyramid: int, slim: int) -> None:
        super().__init__()
        self.features = layers = mobilenet_features(slim)
        for level, (first, last) in enumerate(((0, 2), (2, 4), (4, 7), (7, 11), (11, 16))):
            self.add_module(f"enc{level}", nn.Sequential(*list(layers.children())[first:last]))
        self.connect([channels // slim for channels in MOBILENET], pyramid)


class Head(nn.Module):
    """Two convolutions on one level of the pyramid."""

    def __init__(self, pyramid: int, width: int) -> None:
        super().__init__()
        self.block0 = nn.Conv2d(pyramid, width, 3, padding=1, bias=False)
        self.block1 = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, pyramid, H, W)` to `(B, width, H, W)`."""
        return F.relu(self.block1(F.relu(self.block0(x), inplace=True)), inplace=True)


class PyramidGenerator(nn.Module):
    """What both generators have. All normalisation uses the statistics of the image itself, as the authors' predictor.

    That predictor runs in training mode on one image; so the backbone's batch normalisation sees that image and its
    padding alone. The same is done here for each image of a batch, and no running statistics change.

    Arguments:
        fpn: The pyramid.
        pyramid: Its channels.
        width: Channels of the heads.
    """

    multiple_of = 32

    def __init__(self, fpn: Pyramid, *, pyramid: int, width: int) -> None:
        super().__init__()
        self.fpn = fpn
        for level in range(1, 5):
            self.add_module(f"head{level}", Head(pyramid, width))
        self.smooth = _normed(4 * width, width)
        self.smooth2 = _normed(width, width // 2)
        self.final = nn.Conv2d(width // 2, 3, 3, padding=1)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is clamped, as the authors'."""
        return (self.published(2 * degraded - 1) + 1) / 2

    def published(self, image: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [-1, 1]."""
        first, *others = self.fpn(image)
        heads = [
            _double(self.get_submodule(f"head{level}")(others[level - 1]), 2 ** (level - 1))
            for level in range(4, 0, -1)
        ]
        x = self.smooth2(_double(self.smooth(torch.cat(heads, dim=1))) + first)
        return (torch.tanh(self.final(_double(x))) + image).clamp(-1, 1)


class DeblurGanV2Inception(PyramidGenerator):
    """The generator with the heavy backbone.

    Arguments:
        pyramid: Channels of the pyramid.
        width: Channels of the heads.
        repeats: How often the backbone's blocks of the three resolutions are repeated.
        slim: Divisor of the backbone's channels; 1 as published.
        classes: Answers of the backbone's classifier, which is never used.

    References:
        DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and Better (Kupyn et al., 2019)
        https://arxiv.org/abs/1908.03826
    """

    without_gradient: ClassVar[tuple[str, ...]] = (r"fpn\.inception\.(repeat_2|block8|conv2d_7b|last_linear)\.",)
    """The end of the classifier: released files hold it, nothing is connected to it."""

    def __init__(
        self,
        *,
        pyramid: int = 256,
        width: int = 128,
        repeats: Sequence[int] = (10, 20, 9),
        slim: int = 1,
        classes: int = 1000,
    ) -> None:
        fpn = InceptionPyramid(pyramid=pyramid, repeats=repeats, slim=slim, classes=classes)
        super().__init__(fpn, pyramid=pyramid, width=width)

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a DeblurGANv2 with this backbone.
        """
        first = _first(state, "fpn.inception.conv2d_1a.conv.weight", "Inception")

        def count(name: str) -> int:
            found = {int(m[1]) for key in state if (m := re.match(rf"fpn\.inception\.{name}\.(\d+)\.", key))}
            return len(found)

        return _sizes(state) | {
            "repeats": [count("repeat"), count("repeat_1"), count("repeat_2")],
            "slim": INCEPTION[0] // int(first.shape[0]),
            "classes": int(state["fpn.inception.last_linear.bias"].shape[0]),
        }


class DeblurGanV2MobileNet(PyramidGenerator):
    """The generator with the light backbone.

    Arguments:
        pyramid: Channels of the pyramid.
        width: Channels of the heads.
        slim: Divisor of the backbone's channels; 1 as published.

    References:
        DeblurGAN-v2: Deblurring (Orders-of-Magnitude) Faster and Better (Kupyn et al., 2019)
        https://arxiv.org/abs/1908.03826
    """

    without_gradient: ClassVar[tuple[str, ...]] = (r"fpn\.features\.(16|17|18)\.",)
    """The end of the classifier: released files hold it, nothing is connected to it."""

    def __init__(self, *, pyramid: int = 128, width: int = 64, slim: int = 1) -> None:
        super().__init__(MobilePyramid(pyramid=pyramid, slim=slim), pyramid=pyramid, width=width)

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a DeblurGANv2 with this backbone.
        """
        return _sizes(state) | {"slim": 32 // int(_first(state, "fpn.features.0.0.weight", "MobileNet").shape[0])}


def _first(state: Mapping[str, Tensor], key: str, backbone: str) -> Tensor:
    if key not in state or "smooth2.0.weight" not in state:
        raise UserError(f"these are not the weights of a DeblurGANv2 with {backbone}: there is no {key!r}")
    return state[key]


def _sizes(state: Mapping[str, Tensor]) -> dict[str, object]:
    head = state.get("head1.block0.weight")
    if head is None:
        raise UserError("these are not the weights of a DeblurGANv2: there is no 'head1.block0.weight'")
    return {"pyramid": int(head.shape[1]), "width": int(head.shape[0])}
