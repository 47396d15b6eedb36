"""GridDehazeNet: dense blocks on a grid of three scales, where rows and columns meet with learned weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError


class DenseLayer(nn.Module):
    """A 3x3 convolution whose result is put behind what came in.

    Arguments:
        channels: Channels that come in.
        growth: Channels that are added.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, growth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, C + growth, H, W)`."""
        return torch.cat([x, F.relu(self.conv(x))], dim=1)


class DenseBlock(nn.Module):
    """A residual dense block: dense layers and a 1x1 convolution, added to what came in.

    Arguments:
        channels: The number C of channels.
        layers: How many dense layers.
        growth: Channels that each adds.
    """

    def __init__(self, channels: int, *, layers: int, growth: int) -> None:
        super().__init__()
        self.residual_dense_layers = nn.Sequential(*(DenseLayer(channels + i * growth, growth) for i in range(layers)))
        self.conv_1x1 = nn.Conv2d(channels + layers * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return x + self.conv_1x1(self.residual_dense_layers(x))


class Down(nn.Module):
    """From a scale to the next coarser one: half the size, rounded up, and twice the channels.

    Arguments:
        channels: Channels that come in.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, 2 * C, H / 2, W / 2)`."""
        return F.relu(self.conv2(F.relu(self.conv1(x))))


class Up(nn.Module):
    """From a scale to the next finer one: the size of a map there, and half the channels.

    Arguments:
        channels: Channels that come in.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1)
        self.conv = nn.Conv2d(channels, channels // 2, 3, padding=1)

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Map `(B, C, h, w)` to `(B, C / 2, H, W)`, where `like` has the height H and the width W."""
        return F.relu(self.conv(F.relu(self.deconv(x, output_size=list(like.shape[2:])))))


class GridDehazeNet(nn.Module):
    """The published network, with the published state-dict keys; sizes need not be multiples of anything.

    A map lies at every crossing of the grid: rows are scales, columns are steps. In the first half of the columns maps
    also come from the finer row above, in the second half from the coarser row below.

    Arguments:
        width: Channels of the finest row; each row below has twice as many.
        rows: Scales.
        columns: Steps, an even number.
        layers: Dense layers of a block.
        growth: Channels that each adds.

    References:
        GridDehazeNet: Attention-Based Multi-Scale Network for Image Dehazing (Liu et al., 2019)
        https://arxiv.org/abs/1908.03245
    """

    def __init__(self, *, width: int = 16, rows: int = 3, columns: int = 6, layers: int = 4, growth: int = 16) -> None:
        super().__init__()
        if width < 1 or rows < 2 or layers < 1 or growth < 1 or columns < 4 or columns % 2:
            raise UserError(
                f"GridDehazeNet needs at least 2 rows, an even number of at least 4 columns, and width, layers and "
                f"growth of at least 1 ({rows=}, {columns=}, {width=}, {layers=}, {growth=})"
            )
        self.multiple_of = 1
        self.rows = rows
        self.columns = columns

        def dense(row: int) -> DenseBlock:
            return DenseBlock(width << row, layers=layers, growth=growth)

        half = columns // 2
        # Of every row the first entries are used, as many as it has channels; 0 is along the row, 1 across.
        self.coefficient = nn.Parameter(torch.ones(rows, columns, 2, width << (rows - 1)))
        self.rdb_module = nn.ModuleDict({f"{i}_{j}": dense(i) for i in range(rows) for j in range(columns - 1)})
        self.upsample_module = nn.ModuleDict(
            {f"{i}_{j}": Up(width << (i + 1)) for i in range(rows - 2, -1, -1) for j in range(half, columns)}
        )
        self.downsample_module = nn.ModuleDict(
            {f"{i}_{j}": Down(width << i) for i in range(rows - 1) for j in range(half)}
        )
        self.conv_in = nn.Conv2d(3, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)
        # A ReLU follows, which must pass something on for anything to be learned.
        nn.init.constant_(self.conv_out.get_parameter("bias"), 0.5)
        self.rdb_in = dense(0)
        self.rdb_out = dense(0)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is at least 0 and not clamped above."""
        return self.published(2 * degraded - 1)

    def published(self, x: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [-1, 1]; the result is in [0, 1] all the same, as published."""
        half = self.columns // 2
        column = [self.rdb_in(self.conv_in(x.contiguous(memory_format=torch.channels_last)))]
        for i in range(1, self.rows):
            column.append(self.downsample_module[f"{i - 1}_0"](column[-1]))
        for j in range(1, self.columns):
            along = [self.rdb_module[f"{i}_{j - 1}"](x) for i, x in enumerate(column)]
            order = range(1, self.rows) if j < half else range(self.rows - 2, -1, -1)
            for i in order:
                if j < half:
                    across = self.downsample_module[f"{i - 1}_{j}"](along[i - 1])
                else:
                    across = self.upsample_module[f"{i}_{j}"](along[i + 1], along[i])
                weights = self.coefficient[i, j, :, : across.shape[1], None, None]
                along[i] = weights[0] * along[i] + weights[1] * across
            column = along
        return F.relu(self.conv_out(self.rdb_out(column[0])))

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys and shapes of a state dict.

        Raises:
            UserError: The keys are not those of a GridDehazeNet.
        """
        if "coefficient" not in state or "conv_in.weight" not in state or "rdb_in.conv_1x1.weight" not in state:
            raise UserError(
                "these are not the weights of GridDehazeNet: there is no 'coefficient', no 'conv_in.weight' or no "
                "'rdb_in.conv_1x1.weight'"
            )
        first = "rdb_in.residual_dense_layers."
        layers = {int(m[1]) for key in state if (m := re.match(re.escape(first) + r"(\d+)\.", key))}
        return {
            "width": int(state["conv_in.weight"].shape[0]),
            "rows": int(state["coefficient"].shape[0]),
            "columns": int(state["coefficient"].shape[1]),
            "layers": len(layers),
            "growth": int(state[f"{first}0.conv.weight"].shape[0]),
        }
