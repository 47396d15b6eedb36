"""NAFNet at test time: the average over the whole image becomes one over a window as large as the training patches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.nafnet.network import NAFNet

GROWTH = 1.5


class LocalPool(nn.Module):
    """The average over a square window around each pixel; near the border, over the nearest window inside.

    Arguments:
        side: Side of the window in pixels of its level.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """Average `x` with shape `(B, C, H, W)`; the result has one pixel when the window covers the image."""
        height, width = x.shape[2:]
        if self.side >= height and self.side >= width:
            return x.mean(dim=(2, 3), keepdim=True)
        rows, columns = min(self.side, height), min(self.side, width)
        # Differences of running sums: the cost does not grow with the window.
        total = F.pad(x.cumsum(dim=3).cumsum(dim=2), (1, 0, 1, 0))
        below = total[:, :, rows:] - total[:, :, :-rows]
        mean = (below[..., columns:] - below[..., :-columns]) / (rows * columns)
        missing = [height - mean.shape[2], width - mean.shape[3]]
        border = (missing[1] // 2, (missing[1] + 1) // 2, missing[0] // 2, (missing[0] + 1) // 2)
        return F.pad(mean, border, mode="replicate")


class NAFNetLocal(NAFNet):
    """NAFNet as its authors test it on GoPro and REDS; it has NAFNet's keys and takes NAFNet's weights.

    A network that averages over patches in training meets other statistics when it averages over a whole photo. The
    window is 1.5 times as large as the training patches, at every level; smaller images give NAFNet's result.

    Arguments:
        width: Channels at full resolution; each level below has twice as many.
        encoder_blocks: Blocks of each encoder level, shallowest first.
        middle_blocks: Blocks at the lowest resolution.
        decoder_blocks: Blocks of each decoder level, deepest first.
        train_size: Side of the training patches in pixels.

    References:
        Improving Image Restoration by Revisiting Global Information Aggregation (Chu et al., 2022)
        https://arxiv.org/abs/2112.04491
    """

    def __init__(
        self,
        *,
        width: int = 64,
        encoder_blocks: Sequence[int] = (1, 1, 1, 28),
        middle_blocks: int = 1,
        decoder_blocks: Sequence[int] = (1, 1, 1, 1),
        train_size: int = 256,
    ) -> None:
        super().__init__(
            width=width, encoder_blocks=encoder_blocks, middle_blocks=middle_blocks, decoder_blocks=decoder_blocks
        )
        window = int(GROWTH * train_size)
        padded = math.ceil(train_size / self.multiple_of) * self.multiple_of
        for level, block in self._blocks():
            pooled = cast(nn.Sequential, block.sca)
            pooled[0] = LocalPool((padded >> level) * window // train_size)

    def _blocks(self) -> Iterator[tuple[int, nn.Module]]:
        """Yield every block with its level, 0 at full resolution."""
        depth = len(self.encoders)
        for level, blocks in enumerate(self.encoders):
            yield from ((level, block) for block in blocks.children())
        for number, blocks in enumerate(self.decoders):
            yield from ((depth - 1 - number, block) for block in blocks.children())
        yield from ((depth, block) for block in self.middle_blks.children())
