"""DehazeFormer: a U-Net of window attention and depthwise convolutions that predicts a soft reconstruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.networks.dehazeformer.arch import STAGES, read_arch
from models.networks.dehazeformer.attention import least_side, reflect_conv
from models.networks.dehazeformer.blocks import Block, Fusion, Stage
from models.networks.padding import Padding, pad

# What the published sizes are told apart by: blocks of every stage, and how many of its last attend.
T = ((4, 4, 4, 2, 2), (0, 2, 4, 0, 0))
S = ((8, 8, 8, 4, 4), (2, 4, 6, 0, 0))
B = ((16, 16, 16, 8, 8), (4, 8, 12, 0, 0))


class DehazeFormer(nn.Module):
    """The published network, with the published state-dict keys; the defaults are those of DehazeFormer-B.

    Stages 1 and 2 are followed by halving, stage 3 is at a quarter of the size, stages 4 and 5 are met by what stages 2
    and 1 gave.

    Arguments:
        widths: Channels at full, half and quarter size.
        depths: Blocks of the five stages.
        attention: How many blocks of every stage, its last ones, have attention.
        heads: Heads of attention of every stage.
        hidden: Channels inside the 1x1 convolutions of every stage, as a multiple of its channels.
        window: Side of the windows.

    References:
        Vision Transformers for Single Image Dehazing (Song et al., 2023)
        https://arxiv.org/abs/2204.03883
    """

    # It adds the same to all scores of a softmax, which takes its effect away.
    without_gradient = (r"attn\.attn\.meta\.2\.bias",)
    size: ClassVar[str] = "b"

    def __init__(
        self,
        *,
        widths: Sequence[int] = (24, 48, 96),
        depths: Sequence[int] = B[0],
        attention: Sequence[int] = B[1],
        heads: Sequence[int] = (2, 4, 6, 1, 1),
        hidden: Sequence[float] = (2, 4, 4, 2, 2),
        window: int = 8,
    ) -> None:
        super().__init__()
        given = {"depths": depths, "attention": attention, "heads": heads, "hidden": hidden}
        for name, values in given.items():
            if len(values) != STAGES:
                raise UserError(f"a DehazeFormer has {STAGES} stages: got {len(values)} values as {name}")
        if len(widths) != 3 or min(widths) < 1 or min(depths) < 1 or min(heads) < 1 or window < 2:
            raise UserError(
                f"a DehazeFormer needs three widths and positive widths, depths and heads, and windows of at least 2 "
                f"pixels: got widths={list(widths)}, depths={list(depths)}, heads={list(heads)}, window={window}"
            )
        channels = [*widths, widths[1], widths[0]]
        for number, (width, count) in enumerate(zip(channels, heads, strict=True), start=1):
            if not 0 <= attention[number - 1] <= depths[number - 1]:
                raise UserError(f"stage {number} of a DehazeFormer has fewer blocks than are to have attention")
            if attention[number - 1] and width % count:
                raise UserError(
                    f"stage {number} of a DehazeFormer has {width} channels, which {count} heads do not divide"
                )
        self.multiple_of = 4
        self.window = window
        # Mirroring up to whole windows needs more pixels than it adds, at a quarter of the size.
        self.minimum_size = 4 * least_side(window)

        def stage(index: int) -> Stage:
            first = depths[index] - attention[index]
            return Stage(
                *(
                    Block(
                        channels[index],
                        hidden=round(channels[index] * hidden[index]),
                        heads=heads[index] if i >= first else 0,
                        window=window,
                        shift=window // 2 if i % 2 else 0,
                        depth=sum(depths),
                    )
                    for i in range(depths[index])
                )
            )

        self.patch_embed = nn.ModuleDict({"proj": reflect_conv(3, widths[0], 3)})
        self.layer1 = stage(0)
        self.patch_merge1 = nn.ModuleDict({"proj": nn.Conv2d(widths[0], widths[1], 2, stride=2)})
        self.skip1 = nn.Conv2d(widths[0], widths[0], 1)
        self.layer2 = stage(1)
        self.patch_merge2 = nn.ModuleDict({"proj": nn.Conv2d(widths[1], widths[2], 2, stride=2)})
        self.skip2 = nn.Conv2d(widths[1], widths[1], 1)
        self.layer3 = stage(2)
        self.patch_split1 = nn.ModuleDict(
            {"proj": nn.Sequential(nn.Conv2d(widths[2], 4 * widths[1], 1), nn.PixelShuffle(2))}
        )
        self.fusion1 = Fusion(widths[1])
        self.layer4 = stage(3)
        self.patch_split2 = nn.ModuleDict(
            {"proj": nn.Sequential(nn.Conv2d(widths[1], 4 * widths[0], 1), nn.PixelShuffle(2))}
        )
        self.fusion2 = Fusion(widths[0])
        self.layer5 = stage(4)
        self.patch_unembed = nn.ModuleDict({"proj": nn.Sequential(reflect_conv(widths[0], 4, 3))})

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        return self.published(2 * degraded - 1) / 2 + 0.5

    def published(self, x: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, on the scale [-1, 1] for both.

        Sizes that 4 does not divide are mirrored at the right and the bottom, and cropped again.
        """
        height, width = x.shape[2:]
        image, _, _ = pad(x, Padding(multiple_of=self.multiple_of, minimum_size=self.minimum_size))
        full = self.layer1(self.patch_embed["proj"](image.contiguous(memory_format=torch.channels_last)))
        half = self.layer2(self.patch_merge1["proj"](full))
        y = self.layer3(self.patch_merge2["proj"](half))
        y = self.patch_split1["proj"](y)
        y = self.layer4(self.fusion1(y, self.skip2(half)) + y)
        y = self.patch_split2["proj"](y)
        y = self.layer5(self.fusion2(y, self.skip1(full)) + y)
        factor, summand = self.patch_unembed["proj"](y).split((1, 3), dim=1)
        return (factor * image - summand + image)[..., :height, :width]

    @classmethod
    def infer_arch(cls, state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys and shapes of a state dict.

        Raises:
            UserError: The keys are not those of a DehazeFormer, or those of another published size of it.
        """
        arch = read_arch(state)
        depths, attention = tuple(arch["depths"]), tuple(arch["attention"])
        published = {T: "t", S: "s", B: "b"}.get((depths, attention), cls.size)
        if published != cls.size:
            raise UserError(
                f"these are the weights of DehazeFormer-{published.upper()}, not -{cls.size.upper()}: use the network "
                f"'dehazeformer-{published}'"
            )
        return arch


class DehazeFormerT(DehazeFormer):
    """DehazeFormer-T; for arguments and reference see `DehazeFormer`."""

    size = "t"

    def __init__(
        self,
        *,
        widths: Sequence[int] = (24, 48, 96),
        depths: Sequence[int] = T[0],
        attention: Sequence[int] = T[1],
        heads: Sequence[int] = (2, 4, 6, 1, 1),
        hidden: Sequence[float] = (2, 4, 4, 2, 2),
        window: int = 8,
    ) -> None:
        super().__init__(widths=widths, depths=depths, attention=attention, heads=heads, hidden=hidden, window=window)


class DehazeFormerS(DehazeFormer):
    """DehazeFormer-S; for arguments and reference see `DehazeFormer`."""

    size = "s"

    def __init__(
        self,
        *,
        widths: Sequence[int] = (24, 48, 96),
        depths: Sequence[int] = S[0],
        attention: Sequence[int] = S[1],
        heads: Sequence[int] = (2, 4, 6, 1, 1),
        hidden: Sequence[float] = (2, 4, 4, 2, 2),
        window: int = 8,
    ) -> None:
        super().__init__(widths=widths, depths=depths, attention=attention, heads=heads, hidden=hidden, window=window)
