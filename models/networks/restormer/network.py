"""Restormer: a U-Net of transformer blocks whose attention is between channels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.networks.restormer.blocks import TransformerBlock


class PatchEmbedding(nn.Module):
    """The first convolution.

    Arguments:
        width: Channels that it gives.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, 3, H, W)` to `(B, width, H, W)`."""
        return self.proj(x)


class Resample(nn.Module):
    """A convolution, then pixels to channels or channels to pixels.

    Arguments:
        channels: The number C of channels.
        up: True to give `(B, C / 2, 2 H, 2 W)`, False to give `(B, 2 C, H / 2, W / 2)`.
    """

    def __init__(self, channels: int, *, up: bool) -> None:
        super().__init__()
        between = 2 * channels if up else channels // 2
        convolution = nn.Conv2d(channels, between, 3, padding=1, bias=False)
        self.body = nn.Sequential(convolution, nn.PixelShuffle(2) if up else nn.PixelUnshuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return self.body(x)


class Restormer(nn.Module):
    """The published network, with the published state-dict keys.

    Arguments:
        width: Channels at full resolution; each of the three levels below has twice as many.
        blocks: Blocks of the four levels, shallowest first; encoder and decoder have the same.
        refinement_blocks: Blocks after the decoder, at full resolution and twice the width.
        heads: Attention heads of the four levels.
        expansion: Hidden channels of the feed-forward networks, as a multiple of a level's channels.
        norm_bias: True for layer normalisation (deraining, deblurring); False for the variant without mean and bias,
            which the released denoisers use.

    Raises:
        UserError: There are not four levels, the width is odd, or a number of heads does not divide its channels.

    References:
        Restormer: Efficient Transformer for High-Resolution Image Restoration (Zamir et al., 2022)
        https://arxiv.org/abs/2111.09881
    """

    multiple_of = 8

    def __init__(
        self,
        *,
        width: int = 48,
        blocks: Sequence[int] = (4, 6, 6, 8),
        refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        expansion: float = 2.66,
        norm_bias: bool = True,
    ) -> None:
        super().__init__()
        check_levels(width=width, blocks=blocks, heads=heads)

        def level(index: int, channels: int, count: int) -> nn.Sequential:
            settings = {"heads": heads[index], "expansion": expansion, "norm_bias": norm_bias}
            return nn.Sequential(*(TransformerBlock(channels, **settings) for _ in range(count)))

        self.patch_embed = PatchEmbedding(width)
        self.encoder_level1 = level(0, width, blocks[0])
        self.down1_2 = Resample(width, up=False)
        self.encoder_level2 = level(1, 2 * width, blocks[1])
        self.down2_3 = Resample(2 * width, up=False)
        self.encoder_level3 = level(2, 4 * width, blocks[2])
        self.down3_4 = Resample(4 * width, up=False)
        self.latent = level(3, 8 * width, blocks[3])
        self.up4_3 = Resample(8 * width, up=True)
        self.reduce_chan_level3 = nn.Conv2d(8 * width, 4 * width, 1, bias=False)
        self.decoder_level3 = level(2, 4 * width, blocks[2])
        self.up3_2 = Resample(4 * width, up=True)
        self.reduce_chan_level2 = nn.Conv2d(4 * width, 2 * width, 1, bias=False)
        self.decoder_level2 = level(1, 2 * width, blocks[1])
        self.up2_1 = Resample(2 * width, up=True)
        # At full resolution skip and decoder are only joined: from here on there are twice as many channels.
        self.decoder_level1 = level(0, 2 * width, blocks[0])
        self.refinement = level(0, 2 * width, refinement_blocks)
        self.output = nn.Conv2d(2 * width, 3, 3, padding=1, bias=False)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1], sides multiples of 8; the result is not clamped."""
        first = self.encoder_level1(self.patch_embed(degraded.contiguous(memory_format=torch.channels_last)))
        second = self.encoder_level2(self.down1_2(first))
        third = self.encoder_level3(self.down2_3(second))
        x = self.up4_3(self.latent(self.down3_4(third)))
        x = self.decoder_level3(self.reduce_chan_level3(torch.cat([x, third], dim=1)))
        x = self.decoder_level2(self.reduce_chan_level2(torch.cat([self.up3_2(x), second], dim=1)))
        x = self.decoder_level1(torch.cat([self.up2_1(x), first], dim=1))
        return self.output(self.refinement(x)) + degraded

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a Restormer for colour images.
        """
        if "decoder_level1.0.ffn.project_in.weight" not in state or "prompt1.prompt_param" in state:
            raise UserError(
                "these are not the weights of a Restormer: there is no 'decoder_level1', or there are prompts"
            )
        return levels_of(state) | {"norm_bias": "latent.0.norm1.body.bias" in state}


def check_levels(*, width: int, blocks: Sequence[int], heads: Sequence[int]) -> None:
    """Refuse what no U-Net of four levels can be built from.

    Raises:
        UserError: There are not four levels, a count is below 1, or the width is no even number.
    """
    if len(blocks) != 4 or len(heads) != 4 or min(*blocks, *heads) < 1:
        raise UserError(
            f"four levels need four counts of at least 1: got blocks={list(blocks)} and heads={list(heads)}"
        )
    if width < 2 or width % 2:
        raise UserError(f"the width must be an even number of at least 2, to be halved between levels (got {width})")


def levels_of(state: Mapping[str, Tensor]) -> dict[str, object]:
    """Read the arguments that Restormer and PromptIR have in common off the keys of a state dict.

    Raises:
        UserError: A level is missing, or the network was made for other images than RGB ones.
    """
    names = ("encoder_level1", "encoder_level2", "encoder_level3", "latent")
    counts = [_count(state, name) for name in (*names, "refinement")]
    first = state.get("patch_embed.proj.weight")
    if 0 in counts[:4] or first is None or first.shape[1] != 3:
        raise UserError("these weights lack one of four levels, or were not made for images with three channels")
    hidden = [(int(w.shape[1]), int(w.shape[0]) // 2) for k, w in state.items() if k.endswith("ffn.project_in.weight")]
    return {
        "width": int(first.shape[0]),
        "blocks": counts[:4],
        "refinement_blocks": counts[4],
        "heads": [int(state[f"{name}.0.attn.temperature"].shape[0]) for name in names],
        "expansion": _expansion(hidden),
    }


def _count(state: Mapping[str, Tensor], level: str) -> int:
    return max((int(m[1]) + 1 for key in state if (m := re.match(rf"{level}\.(\d+)\.", key))), default=0)


def _expansion(hidden: Sequence[tuple[int, int]]) -> float:
    """Return the roundest factor that gives all the hidden widths, which are rounded down: 2.66, not 2.65885."""
    least = max(wide / channels for channels, wide in hidden)
    for digits in range(7):
        factor = math.ceil(round(least * 10**digits, 6)) / 10**digits
        if all(int(channels * factor) == wide for channels, wide in hidden):
            return factor
    raise UserError(f"no factor gives the hidden widths {sorted(set(hidden))}: these are not weights of this network")
