"""DeepDeblur: residual networks at three scales, each told what the coarser one made."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError

# The published networks work on 8-bit levels around their middle.
SCALE, MIDDLE = 255.0, 127.5
# Each level of the pyramid is blurred by a Gaussian of this width, cut off at four of it, then halved.
SIGMA = 2 * 2 / 6


class ResidualBlock(nn.Module):
    """Two convolutions with a ReLU between them, added to the input; there is no activation after the sum.

    Arguments:
        channels: The number C of channels.
        kernel: Side of the kernels.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return x + self.body(x)


class ScaleNetwork(nn.Module):
    """The network of one scale: a convolution, residual blocks, a convolution.

    Arguments:
        inputs: Channels of its input.
        width: Channels inside.
        blocks: Number of residual blocks.
        kernel: Side of the kernels.
    """

    def __init__(self, inputs: int, width: int, blocks: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, kernel, padding=kernel // 2),
            *(ResidualBlock(width, kernel) for _ in range(blocks)),
            nn.Conv2d(width, 3, kernel, padding=kernel // 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, inputs, H, W)` to `(B, 3, H, W)`."""
        return self.body(x)


class Enlarge(nn.Module):
    """Doubles height and width of a restored image for the next finer scale.

    Arguments:
        kernel: Side of the kernel.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.uppath = nn.Sequential(nn.Conv2d(3, 12, kernel, padding=kernel // 2), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, 3, H, W)` to `(B, 3, 2H, 2W)`."""
        return self.uppath(x)


class DeepDeblur(nn.Module):
    """The multi-scale network that came with the GoPro set, with the keys of the authors' later PyTorch version.

    Arguments:
        width: Channels inside.
        blocks: Residual blocks of each scale.
        kernel: Side of all kernels.
        scales: Number of scales, each half as large as the one before.

    References:
        Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring (Nah, Kim and Lee, 2017)
        https://arxiv.org/abs/1612.02177
    """

    def __init__(self, *, width: int = 64, blocks: int = 19, kernel: int = 5, scales: int = 3) -> None:
        super().__init__()
        if scales < 1:
            raise UserError(f"DeepDeblur needs at least one scale, got {scales}")
        self.multiple_of = 2 ** (scales - 1)
        self.body_models = nn.ModuleList(
            ScaleNetwork(3 if scale == scales - 1 else 6, width, blocks, kernel) for scale in range(scales)
        )
        # The finest result is enlarged no further; its place stays empty, as in the published files.
        self.conv_end_models = nn.ModuleList([nn.Module(), *(Enlarge(kernel) for _ in range(1, scales))])

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        return self.predictions(degraded)[-1]

    def predictions(self, degraded: Tensor) -> tuple[Tensor, ...]:
        """Return the restored images of all scales, coarsest first; training compares each with the clean image."""
        pyramid = self.pyramid(degraded * SCALE)
        return tuple(restored / SCALE for restored in reversed(self.published(pyramid)))

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Return an image and its halved versions, finest first, as scikit-image's `pyramid_gaussian` makes them."""
        levels = [image]
        for _ in range(1, len(self.body_models)):
            levels.append(F.avg_pool2d(_blur(levels[-1]), 2))
        return levels

    def published(self, pyramid: list[Tensor]) -> list[Tensor]:
        """Restore a pyramid on the published scale.

        Arguments:
            pyramid: Images with shapes `(B, 3, H, W)`, `(B, 3, H/2, W/2)`, ..., in [0, 255].

        Returns:
            The restored images in the same order.
        """
        restored: list[Tensor] = []
        centred: Tensor | None = None
        for scale in reversed(range(len(self.body_models))):
            inputs = pyramid[scale] - MIDDLE
            if centred is not None:
                inputs = torch.cat([inputs, self.conv_end_models[scale + 1](centred)], dim=1)
            result: Tensor = self.body_models[scale](inputs)
            restored.append(result + MIDDLE)
            centred = result
        return restored[::-1]

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a DeepDeblur.
        """
        first = state.get("body_models.0.body.0.weight")
        if first is None:
            raise UserError("these are not the weights of a DeepDeblur: there is no 'body_models.0.body.0.weight'")
        layers = [int(m[1]) for key in state if (m := re.match(r"body_models\.0\.body\.(\d+)\.", key))]
        scales = [int(m[1]) for key in state if (m := re.match(r"body_models\.(\d+)\.", key))]
        return {
            "width": int(first.shape[0]),
            "blocks": max(layers) - 1,
            "kernel": int(first.shape[-1]),
            "scales": max(scales) + 1,
        }


def _blur(image: Tensor) -> Tensor:
    """Blur by the pyramid's Gaussian; beyond the border, the image is mirrored with its outermost pixels repeated."""
    radius = int(4 * SIGMA + 0.5)
    distance = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-distance.square() / (2 * SIGMA**2))
    weights = (weights / weights.sum()).to(image)
    for dim in (2, 3):
        size = image.shape[dim]
        place = torch.arange(-radius, size + radius, device=image.device) % (2 * size)
        image = image.index_select(dim, torch.where(place < size, place, 2 * size - 1 - place))
        shape = [1, 1, 1, 1]
        shape[dim] = len(weights)
        kernel = weights.view(shape).expand(3, *shape[1:])
        image = F.conv2d(image, kernel, groups=3)
    return image
