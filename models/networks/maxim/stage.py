"""One of MAXIM's U-Nets: encoder, bottleneck, skips gated from the bottom to the top, decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from models.networks.maxim.gating import CrossGating, SupervisedAttention
from models.networks.maxim.joining import convolve, join, pointwise
from models.networks.maxim.levels import Bottleneck, Level


class Decoder(nn.Module):
    """A level of the decoder: the level below at twice its size, joined with the skips, and a `Level`.

    Arguments:
        level: With channels for both.
        below: Channels of the level below.
    """

    def __init__(self, level: Level, *, below: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(below, level.intro.out_channels, 2, stride=2)
        self.level = level


class Stage(nn.Module):
    """One U-Net, and what it hands to the next one.

    Arguments:
        width: Channels at full resolution; each level below has twice as many.
        sizes: Side of blocks and grids of each level, and of the bottleneck.
        groups: Pairs of blocks in a level.
        bottlenecks: Blocks at the lowest resolution.
        reduction: Of the channel attentions.
        first: Whether there is no stage before.
        last: Whether there is no stage behind.
    """

    def __init__(
        self,
        *,
        width: int,
        sizes: Sequence[int],
        groups: int,
        bottlenecks: int,
        reduction: int,
        first: bool,
        last: bool,
    ) -> None:
        super().__init__()
        *sizes, lowest = sizes
        levels = range(len(sizes))
        own = [width << i for i in levels]
        above, below = [width, *own[:-1]], [*own[1:], own[-1]]
        shape: dict[str, Any] = {"groups": groups, "reduction": reduction}

        def resizes(sources: Sequence[int]) -> nn.ModuleList:
            return nn.ModuleList(nn.ModuleList(nn.Conv2d(source, goal, 1) for source in sources) for goal in own)

        def gating(i: int, x_channels: int, y_channels: int, *, up: bool) -> CrossGating:
            return CrossGating(own[i], x_channels=x_channels, y_channels=y_channels, size=sizes[i], up=up)

        def decoder(i: int) -> Decoder:
            level = Level(own[i], in_channels=(1 + len(own)) * own[i], size=sizes[i], **shape)
            return Decoder(level, below=below[i])

        self.inputs = nn.ModuleList(nn.Conv2d(3, own[i], 3, padding=1) for i in levels)
        if not first:
            self.fusions = nn.ModuleList(gating(i, own[i], own[i], up=False) for i in levels)
        self.encoders = nn.ModuleList(
            Level(own[i], in_channels=above[i] + own[i], size=sizes[i], gated=not first, down=True, **shape)
            for i in levels
        )
        self.bottleneck = nn.ModuleList(Bottleneck(own[-1], size=lowest, **shape) for _ in range(bottlenecks))
        self.skip_resizes = resizes(own)
        self.gatings = nn.ModuleList(gating(i, len(own) * own[i], below[i], up=True) for i in levels)
        self.decoder_resizes = resizes(own[::-1])
        self.decoders = nn.ModuleList(decoder(i) for i in levels)
        if last:
            self.outputs = nn.ModuleList(nn.Conv2d(own[i], 3, 3, padding=1) for i in levels)
        else:
            self.attentions = nn.ModuleList(SupervisedAttention(own[i]) for i in levels)

    def encode(self, images: Sequence[Tensor], before: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], Tensor]:
        """Return the encoder's maps, full resolution first, and the one at the bottom.

        Arguments:
            images: The degraded images on all scales, with shape `(B, H, W, 3)`, full resolution first.
            before: For each level, the attended features of the stage before, and the sum of its encoder's and its
                decoder's map; emptied, so that their memory is free. Nothing for the first stage.
        """
        convs: Any = self.inputs
        fusions: Any = self.fusions if before else []
        levels: Any = self.encoders
        inputs = [convolve(conv, image) for conv, image in zip(convs, images, strict=True)]
        for i, fuse in enumerate(fusions):
            inputs[i], _ = fuse(pointwise(fuse.in_x, inputs[i]), before[i][0])
        seen = [both for _, both in before]
        before.clear()
        maps: list[Tensor] = []
        x = inputs[0]
        for level in levels:
            x = join(level.intro, [x, inputs.pop(0)], [], like=images[len(maps)])
            x = level(x, seen.pop(0) if seen else None)
            maps.append(x)
            x = convolve(level.down, x)
        for block in self.bottleneck:
            x = block(x)
        return maps, x

    def forward(
        self, images: Sequence[Tensor], before: list[tuple[Tensor, Tensor]], *, scales: bool
    ) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
        """Return the restored images, coarse to fine, and what the stage behind takes up, full resolution first.

        Arguments:
            images: See `encode`.
            before: See `encode`.
            scales: Whether the lower scales' restored images are wanted where nothing depends on them.
        """
        maps, x = self.encode(images, before)
        gatings: Any = self.gatings
        decoders: Any = self.decoders
        outputs: Any = getattr(self, "outputs", None)
        levels = range(len(maps) - 1, -1, -1)
        skips: list[Tensor] = []
        gate = x
        for i in levels:
            resized = zip(self.skip_resizes[i].children(), maps, strict=True)
            signal = join(gatings[i].in_x, [], resized, like=images[i])
            skip, gate = gatings[i](signal, gate)
            skips.append(skip)
        del gate
        restored: list[Tensor] = []
        behind: list[tuple[Tensor, Tensor]] = []
        for i in levels:
            decoder = decoders[i]
            resized = zip(self.decoder_resizes[i].children(), skips, strict=True)
            x = decoder.level(join(decoder.level.intro, [convolve(decoder.up, x)], resized, like=images[i]))
            if outputs is None:
                attended, image = self.attentions[i](x, images[i])
                restored.append(image)
                behind.insert(0, (attended, maps[i] + x))
            elif scales or i == 0:
                restored.append(convolve(outputs[i], x) + images[i])
        return restored, behind
