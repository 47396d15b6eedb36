"""MIRNet: parallel streams at several resolutions that exchange what they see."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.networks.mirnet.blocks import DualAttention, Resample, SelectiveFusion


class MultiScaleBlock(nn.Module):
    """A grid of dual attention blocks, a row a resolution; between columns every row receives from all rows.

    Arguments:
        width: Channels C at full resolution; each row below has twice as many and half the size.
        rows: The number of resolutions.
        columns: Blocks one after the other in every row; they are one and the same block.
        activation: The activation of all attention blocks.
    """

    def __init__(self, *, width: int, rows: int, columns: int, activation: nn.Module) -> None:
        super().__init__()
        self.columns = columns
        widths = [width << row for row in range(rows)]
        self.blocks = nn.ModuleList(nn.ModuleList([DualAttention(w, activation)] * columns) for w in widths)
        self.last_up = nn.ModuleDict({str(row): Resample(widths[row], row) for row in range(1, rows)})
        # Called "<channels>_<factor>": from each resolution to each of the others, the farthest first.
        self.down = nn.ModuleDict(
            {
                f"{widths[row]}_{2**steps}": Resample(widths[row], -steps)
                for row in range(rows - 1)
                for steps in range(rows - 1 - row, 0, -1)
            }
        )
        self.up = nn.ModuleDict(
            {
                f"{widths[row]}_{2**steps}": Resample(widths[row], steps)
                for row in range(rows - 1, 0, -1)
                for steps in range(row, 0, -1)
            }
        )
        self.conv_out = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.selective_kernel = nn.ModuleList(SelectiveFusion(w, rows) for w in widths)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        streams: list[Tensor] = []
        for row, blocks in enumerate(self.blocks):
            # Each row starts from what the row above it made.
            start = x if row == 0 else self._moved(streams[-1], row - 1, row)
            streams.append(blocks.get_submodule("0")(start))
        for column in range(1, self.columns):
            streams = [
                blocks.get_submodule(str(column))(
                    fuse([self._moved(stream, origin, row) for origin, stream in enumerate(streams)])
                )
                for row, (blocks, fuse) in enumerate(zip(self.blocks, self.selective_kernel, strict=True))
            ]
        full = [streams[0], *(self.last_up[str(row)](streams[row]) for row in range(1, len(streams)))]
        del streams
        return x + self.conv_out(self.selective_kernel[0](full))

    def _moved(self, stream: Tensor, origin: int, row: int) -> Tensor:
        """Bring a stream from the resolution of one row to that of another."""
        if origin == row:
            return stream
        direction = self.down if row > origin else self.up
        return direction[f"{stream.shape[1]}_{2 ** abs(row - origin)}"](stream)


class Group(nn.Module):
    """Multi-scale blocks and a convolution, added to the input.

    Arguments:
        width: Channels C.
        body: The multi-scale blocks.
    """

    def __init__(self, width: int, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body, nn.Conv2d(width, width, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return x + self.body(x)


class MIRNet(nn.Module):
    """The published network, with the published state-dict keys.

    All dual attention blocks share one activation with one learned slope, and the blocks of a row are one block: both
    are so in the released weights.

    Arguments:
        width: Channels at full resolution.
        groups: Groups of multi-scale blocks.
        blocks: Multi-scale blocks of each group.
        rows: Resolutions of a multi-scale block.
        columns: Dual attention blocks in each row of a multi-scale block.

    Raises:
        UserError: A count is below 1.

    References:
        Learning Enriched Features for Real Image Restoration and Enhancement (Zamir et al., 2020)
        https://arxiv.org/abs/2003.06792
    """

    def __init__(self, *, width: int = 64, groups: int = 3, blocks: int = 2, rows: int = 3, columns: int = 2) -> None:
        super().__init__()
        if min(width, groups, blocks, rows, columns) < 1:
            raise UserError(
                f"a MIRNet needs at least one of everything: got width={width}, groups={groups}, blocks={blocks}, "
                f"rows={rows}, columns={columns}"
            )
        self.multiple_of = 2 ** (rows - 1)
        activation = nn.PReLU()
        self.conv_in = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.body = nn.Sequential(
            *(
                Group(
                    width,
                    *(
                        MultiScaleBlock(width=width, rows=rows, columns=columns, activation=activation)
                        for _ in range(blocks)
                    ),
                )
                for _ in range(groups)
            )
        )
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1, bias=False)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped.

        Height and width are multiples of `multiple_of`.
        """
        features = self.conv_in(degraded.contiguous(memory_format=torch.channels_last))
        return degraded + self.conv_out(self.body(features))

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a MIRNet.
        """
        if "conv_in.weight" not in state or "body.0.body.0.blocks.0.0.SA.spatial.conv.weight" not in state:
            raise UserError(
                "these are not the weights of a MIRNet: there is no 'conv_in.weight' or no "
                "'body.0.body.0.blocks.0.0.SA.spatial.conv.weight'"
            )

        def count(pattern: str) -> int:
            return 1 + max(int(m[1]) for key in state if (m := re.match(pattern, key)))

        return {
            "width": int(state["conv_in.weight"].shape[0]),
            "groups": count(r"body\.(\d+)\."),
            "blocks": count(r"body\.0\.body\.(\d+)\.blocks\."),
            "rows": count(r"body\.0\.body\.0\.blocks\.(\d+)\."),
            "columns": count(r"body\.0\.body\.0\.blocks\.0\.(\d+)\."),
        }
