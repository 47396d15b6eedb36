"""EnlightenGAN: a U-Net for low light that works hardest where the image is dark."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.padding import Padding, pad

LEVELS = 5
# BT.601 luma of R, G and B.
LUMA = (0.299, 0.587, 0.114)
COUNTER = "num_batches_tracked"


class EnlightenGAN(nn.Module):
    """The generator, with the published state-dict keys: EnlightenGAN's U-Net guided by self-regularised attention.

    One minus the luma of the degraded image is the attention map: it is a fourth input channel, it weighs the features
    of every level, and it weighs what is added to the image at the end.

    Images wider than `halve_wider_than` are halved first and the result is doubled, as in the published code. A tile
    that is narrower is not: tiles of such an image give the picture at full resolution.

    Arguments:
        width: Channels at full resolution; each of the four levels below has twice as many.
        align_corners: How feature maps are doubled. The authors trained under PyTorch 0.3.1, where bilinear
            upsampling meant True; their code under any later PyTorch means False, which is what people run. With True
            the result of a tile depends on its size.
        halve_wider_than: The widest image, in pixels, that is worked on at full resolution.

    References:
        EnlightenGAN: Deep Light Enhancement without Paired Supervision (Jiang et al., 2019)
        https://arxiv.org/abs/1906.06972
    """

    def __init__(self, *, width: int = 32, align_corners: bool = False, halve_wider_than: int = 2200) -> None:
        super().__init__()
        if width < 1:
            raise UserError(f"an EnlightenGAN needs a width of at least 1 (got {width})")
        self.multiple_of = 2 ** (LEVELS - 1)
        self.align_corners = align_corners
        self.halve_wider_than = halve_wider_than
        widths = [width << level for level in range(LEVELS)]
        for stage, (before, after) in enumerate(pairwise([4, *widths]), start=1):
            self._add_pair(stage, before, after)
        for stage, (below, own) in enumerate(pairwise(widths[::-1]), start=LEVELS + 1):
            self.add_module(f"deconv{stage - 1}", nn.Conv2d(below, own, 3, padding=1))
            self._add_pair(stage, 2 * own, own, last=stage == 2 * LEVELS - 1)
        self.conv10 = nn.Conv2d(width, 3, 1)

    def _add_pair(self, stage: int, before: int, after: int, *, last: bool = False) -> None:
        for half, channels in ((1, before), (2, after)):
            self.add_module(f"conv{stage}_{half}", nn.Conv2d(channels, after, 3, padding=1))
            if not (last and half == 2):
                self.add_module(f"bn{stage}_{half}", nn.BatchNorm2d(after))

    def _half(self, stage: int, half: int, x: Tensor) -> Tensor:
        """Convolve, activate, then normalise, in this order."""
        x = F.leaky_relu_(self.get_submodule(f"conv{stage}_{half}")(x), 0.2)
        name = f"bn{stage}_{half}"
        return self.get_submodule(name)(x) if name in self._modules else x

    def _double(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.align_corners)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        luma = degraded.new_tensor(LUMA).view(1, 3, 1, 1)
        attention = 1 - (degraded * luma).sum(1, keepdim=True)
        return (self.published(2 * degraded - 1, attention)[0] + 1) / 2

    def published(self, image: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network on the scale of its authors.

        Arguments:
            image: Degraded images with shape `(B, 3, H, W)`, in [-1, 1].
            attention: One minus their luma, with shape `(B, 1, H, W)`, in [0, 1].

        Returns:
            The restored images with shape `(B, 3, H, W)`, on [-1, 1] but not clamped, and what was added to the
            degraded ones to get them.
        """
        height, width = image.shape[2:]
        both = torch.cat([image, attention], dim=1)
        halved = width > self.halve_wider_than
        if halved:
            # The odd last row or column, which the published code drops, is kept as it is.
            both = F.avg_pool2d(both, 2, ceil_mode=True)
        rows, columns = both.shape[2:]
        both, top, left = pad(both, Padding(multiple_of=self.multiple_of, mode="reflect", sides="both"))
        added = self._added(both.contiguous(memory_format=torch.channels_last), both[:, 3:])
        inside = (..., slice(top, top + rows), slice(left, left + columns))
        restored, added = (both[:, :3] + added)[inside], added[inside]
        if halved:
            restored, added = (self._double(x)[..., :height, :width] for x in (restored, added))
        return restored, added

    def _added(self, x: Tensor, attention: Tensor) -> Tensor:
        maps = [attention]
        for _ in range(LEVELS - 1):
            maps.append(F.max_pool2d(maps[-1], 2))
        skips: list[Tensor] = []
        for stage in range(1, LEVELS):
            x = self._half(stage, 2, self._half(stage, 1, x))
            skips.append(x * maps[stage - 1])
            x = F.max_pool2d(x, 2)
        x = self._half(LEVELS, 2, self._half(LEVELS, 1, x) * maps[-1])
        for stage in range(LEVELS + 1, 2 * LEVELS):
            up = self.get_submodule(f"deconv{stage - 1}")(self._double(x))
            x = self._half(stage, 2, self._half(stage, 1, torch.cat([up, skips.pop()], dim=1)))
        return self.conv10(x) * attention

    @staticmethod
    def published_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Add the counters of the batch norms, which the PyTorch of the released file did not have; nobody reads them.

        Arguments:
            state: Tensors by name, as released or in our layout.
        """
        complete: dict[str, Tensor] = {}
        for key, value in state.items():
            complete[key] = value
            if key.endswith(".running_var"):
                counter = key.removesuffix("running_var") + COUNTER
                complete[counter] = state.get(counter, torch.tensor(0))
        return complete

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off a state dict; how maps are doubled is not written in it.

        Raises:
            UserError: The keys are not those of an EnlightenGAN.
        """
        if not {"conv1_1.weight", "deconv5.weight", "conv10.weight"} <= state.keys():
            raise UserError(
                "these are not the weights of an EnlightenGAN: one of 'conv1_1.weight', 'deconv5.weight' and "
                "'conv10.weight' is missing"
            )
        return {"width": int(state["conv1_1.weight"].shape[0])}
