"""NAFNet: a U-Net of gated convolution blocks without activation functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.layers import LayerNorm2d, scaled_conv, simple_gate


class NafBlock(nn.Module):
    """Depthwise convolution with simplified channel attention, then a gated 1x1 pair; each added with a learned factor.

    Arguments:
        channels: The number C of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        double = 2 * channels
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.conv1 = nn.Conv2d(channels, double, 1)
        self.conv2 = nn.Conv2d(double, double, 3, padding=1, groups=double)
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv4 = nn.Conv2d(channels, double, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.norm1 = LayerNorm2d(channels)
        self.norm2 = LayerNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        y = simple_gate(self.conv2(self.conv1(self.norm1(x))))
        x = x + scaled_conv(self.conv3, self.beta, y * self.sca(y))
        y = simple_gate(self.conv4(self.norm2(x)))
        return x + scaled_conv(self.conv5, self.gamma, y)


class NafShape(nn.Module):
    """The U-Net around the blocks: what NAFNet and its conditional variants have in common.

    The last convolution starts at zero, so an untrained network returns its input; the published code starts it at
    random. It is our choice for all variants alike and leaves no trace in trained weights.

    Arguments:
        width: Channels at full resolution; each level below has twice as many.
        encoder_blocks: Blocks of each encoder level, shallowest first.
        middle_blocks: Blocks at the lowest resolution.
        decoder_blocks: Blocks of each decoder level, deepest first.
        block: Called with the place of a block ("encoders.3", "middle", "decoders.0"), whether it is the last one
            there, and its channels; returns the module.

    Raises:
        UserError: Encoder and decoder have different numbers of levels, or a count or the width is too small.
    """

    def __init__(
        self,
        *,
        width: int,
        encoder_blocks: Sequence[int],
        middle_blocks: int,
        decoder_blocks: Sequence[int],
        block: Callable[[str, bool, int], nn.Module],
    ) -> None:
        super().__init__()
        if len(encoder_blocks) != len(decoder_blocks) or not encoder_blocks:
            raise UserError(
                f"a NAFNet needs as many encoder levels as decoder levels, at least one: got encoder_blocks="
                f"{list(encoder_blocks)} and decoder_blocks={list(decoder_blocks)}"
            )
        if width < 1 or min(*encoder_blocks, middle_blocks, *decoder_blocks) < 0:
            raise UserError(f"a NAFNet needs a width of at least 1 and no negative count of blocks (width={width})")

        def level(place: str, count: int, channels: int) -> nn.Sequential:
            return nn.Sequential(*(block(place, i == count - 1, channels) for i in range(count)))

        depth = len(encoder_blocks)
        self.multiple_of = 2**depth
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.ending = nn.Conv2d(width, 3, 3, padding=1)
        for parameter in self.ending.parameters():
            nn.init.zeros_(parameter)
        self.encoders = nn.ModuleList(level(f"encoders.{i}", n, width << i) for i, n in enumerate(encoder_blocks))
        self.decoders = nn.ModuleList(
            level(f"decoders.{i}", n, width << (depth - 1 - i)) for i, n in enumerate(decoder_blocks)
        )
        self.middle_blks = level("middle", middle_blocks, width << depth)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width << i, width << (i + 1), 1, bias=False), nn.PixelShuffle(2))
            for i in range(depth, 0, -1)
        )
        self.downs = nn.ModuleList(nn.Conv2d(width << i, width << (i + 1), 2, stride=2) for i in range(depth))

    def pass_through(self, degraded: Tensor, *context: Tensor) -> Tensor:
        """Run the U-Net; `context` is handed to every block.

        Sizes that the levels do not divide are filled up with zeros at the right and the bottom, and cropped again.
        """
        height, width = degraded.shape[2:]
        padding = (0, -width % self.multiple_of, 0, -height % self.multiple_of)
        image = F.pad(degraded, padding).contiguous(memory_format=torch.channels_last)
        return (self.run(image, *context) + image)[..., :height, :width]

    def run(self, image: Tensor, *context: Tensor) -> Tensor:
        """Run the U-Net alone on an image of a size that the levels divide; `context` is handed to every block."""
        x = self.intro(image)
        skips: list[Tensor] = []
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            x = _run(blocks, x, context)
            skips.append(x)
            x = down(x)
        x = _run(self.middle_blks, x, context)
        for up, blocks in zip(self.ups, self.decoders, strict=True):
            x = _run(blocks, up(x) + skips.pop(), context)
        return self.ending(x)


def _run(blocks: nn.Module, x: Tensor, context: Iterable[Tensor]) -> Tensor:
    for block in blocks.children():
        x = block(x, *context)
    return x


class NAFNet(NafShape):
    """The published network, with the published state-dict keys.

    Arguments:
        width: Channels at full resolution; each level below has twice as many.
        encoder_blocks: Blocks of each encoder level, shallowest first.
        middle_blocks: Blocks at the lowest resolution.
        decoder_blocks: Blocks of each decoder level, deepest first.

    References:
        Simple Baselines for Image Restoration (Chen et al., 2022)
        https://arxiv.org/abs/2204.04676
    """

    def __init__(
        self,
        *,
        width: int = 64,
        encoder_blocks: Sequence[int] = (1, 1, 1, 28),
        middle_blocks: int = 1,
        decoder_blocks: Sequence[int] = (1, 1, 1, 1),
    ) -> None:
        super().__init__(
            width=width,
            encoder_blocks=encoder_blocks,
            middle_blocks=middle_blocks,
            decoder_blocks=decoder_blocks,
            block=lambda place, last, channels: NafBlock(channels),
        )

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        return self.pass_through(degraded)

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a NAFNet.
        """
        if "intro.weight" not in state or "ending.weight" not in state:
            raise UserError("these are not the weights of a NAFNet: there is no 'intro.weight' or no 'ending.weight'")

        def count(pattern: str) -> int:
            found = [int(m[1]) for key in state if (m := re.match(pattern, key))]
            return max(found, default=-1) + 1

        depth = count(r"downs\.(\d+)\.")
        return {
            "width": int(state["intro.weight"].shape[0]),
            "encoder_blocks": [count(rf"encoders\.{i}\.(\d+)\.") for i in range(depth)],
            "middle_blocks": count(r"middle_blks\.(\d+)\."),
            "decoder_blocks": [count(rf"decoders\.{i}\.(\d+)\.") for i in range(depth)],
        }
