"""MPRNet: three stages, on four patches, on two, and on the whole image; each refines what the one before hands on."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.networks.mprnet.blocks import ChannelAttentionBlock, SupervisedAttention
from models.networks.mprnet.stages import Decoder, Encoder, OriginalResolution


class MPRNet(nn.Module):
    """The published network, with the published state-dict keys.

    The defaults are those of the deraining model; for denoising `width=80, growth=48, full_growth=32`, for deblurring
    `width=96, growth=48, full_growth=32`.

    Arguments:
        width: Channels at full resolution in the first two stages.
        growth: Channels added at each level below.
        full_growth: Channels added in the third stage, which stays at full resolution.
        blocks: Channel attention blocks in each of the third stage's three groups.
        reduction: What the channels are divided by inside channel attention.

    Raises:
        UserError: A number is below 1, or the reduction larger than the width.

    References:
        Multi-Stage Progressive Image Restoration (Zamir et al., 2021)
        https://arxiv.org/abs/2102.02808
    """

    # A patch is half an image, and is halved twice.
    multiple_of = 8

    def __init__(
        self,
        *,
        width: int = 40,
        growth: int = 20,
        full_growth: int = 16,
        blocks: int = 8,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        if min(width, growth, full_growth, blocks, reduction) < 1 or reduction > width:
            raise UserError(
                f"an MPRNet needs numbers of at least 1 and no larger reduction than width: got width={width}, "
                f"growth={growth}, full_growth={full_growth}, blocks={blocks} and reduction={reduction}"
            )
        # One slope for the whole network: all blocks share this module, and a checkpoint holds it under many names.
        slope = nn.PReLU()
        full = width + full_growth

        def shallow() -> nn.Sequential:
            first = nn.Conv2d(3, width, 3, padding=1, bias=False)
            return nn.Sequential(first, ChannelAttentionBlock(width, reduction=reduction, slope=slope))

        def encoder(*, fused: bool) -> Encoder:
            return Encoder(width, growth=growth, reduction=reduction, slope=slope, fused=fused)

        def decoder() -> Decoder:
            return Decoder(width, growth=growth, reduction=reduction, slope=slope)

        self.shallow_feat1 = shallow()
        self.shallow_feat2 = shallow()
        self.shallow_feat3 = shallow()
        self.stage1_encoder = encoder(fused=False)
        self.stage1_decoder = decoder()
        self.stage2_encoder = encoder(fused=True)
        self.stage2_decoder = decoder()
        self.stage3_orsnet = OriginalResolution(
            width, growth=growth, full_growth=full_growth, blocks=blocks, reduction=reduction, slope=slope
        )
        self.sam12 = SupervisedAttention(width)
        self.sam23 = SupervisedAttention(width)
        self.concat12 = nn.Conv2d(2 * width, width, 3, padding=1, bias=False)
        self.concat23 = nn.Conv2d(2 * width, full, 3, padding=1, bias=False)
        self.tail = nn.Conv2d(full, 3, 3, padding=1, bias=False)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1], sides multiples of 8; the result is not clamped."""
        return self.predictions(degraded)[-1]

    def predictions(self, degraded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the three stages give, the final one last; training supervises all of them.

        Arguments:
            degraded: Images with shape `(B, 3, H, W)`, in [0, 1], sides multiples of 8.

        Returns:
            Three images with the shape of `degraded`, not clamped.
        """
        image = degraded.contiguous(memory_format=torch.channels_last)
        halves = split(image, dim=2)
        # Stage 1 encodes four patches and decodes two halves of the image, upper and lower.
        encoded = [join(x, dim=3) for x in self.stage1_encoder(self.shallow_feat1(split(halves, dim=3)))]
        decoded = self.stage1_decoder(encoded)
        features, first = self.sam12(decoded[0], halves)
        # Stage 2 encodes the halves and decodes the whole.
        x = self.concat12(torch.cat([self.shallow_feat2(halves), features], dim=1))
        encoded = [join(x, dim=2) for x in self.stage2_encoder(x, encoded, decoded)]
        decoded = self.stage2_decoder(encoded)
        features, second = self.sam23(decoded[0], image)
        # Stage 3 sees the whole, at full resolution.
        x = self.concat23(torch.cat([self.shallow_feat3(image), features], dim=1))
        third = self.tail(self.stage3_orsnet(x, encoded, decoded)) + image
        return join(first, dim=2), second, third

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of an MPRNet for colour images.
        """
        names = ("shallow_feat1.0", "stage1_encoder.down12.down.1", "stage2_encoder.csff_enc1", "tail")
        weights = [state.get(f"{name}.weight") for name in names]
        found = [weight for weight in weights if weight is not None and weight.ndim == 4]
        if len(found) != len(names) or found[0].shape[1] != 3:
            raise UserError(f"these are not the weights of an MPRNet for RGB images, which has {', '.join(names)}")
        first, down, _, tail = found
        width = int(first.shape[0])
        # A width that the reduction does not divide is rounded down, so the widest maps tell it best.
        narrow = [(int(w.shape[1]), int(w.shape[0])) for k, w in state.items() if k.endswith("CA.conv_du.0.weight")]
        fitting = [n for n in range(1, width + 1) if all(wide // n == few for wide, few in narrow)]
        if not fitting:
            raise UserError(f"no reduction gives the widths {sorted(set(narrow))}: these are no weights of an MPRNet")
        last = max(
            (int(m[1]) for key in state if (m := re.match(r"stage3_orsnet\.orb1\.body\.(\d+)\.", key))), default=0
        )
        return {
            "width": width,
            "growth": int(down.shape[0]) - width,
            "full_growth": int(tail.shape[1]) - width,
            "blocks": last,
            "reduction": fitting[0],
        }


def split(x: Tensor, *, dim: int) -> Tensor:
    """Cut images into two halves along a dimension, and put the second halves behind the first in the batch."""
    return torch.cat(x.chunk(2, dim=dim)).contiguous(memory_format=torch.channels_last)


def join(x: Tensor, *, dim: int) -> Tensor:
    """Put halves from `split` together again."""
    return torch.cat(x.chunk(2), dim=dim)
