"""The stages of MPRNet: a U-Net's encoder and decoder for the first two, and a stage at full resolution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.networks.mprnet.blocks import ChannelAttentionBlock, Down, Up


class Encoder(nn.Module):
    """Three levels of two blocks each.

    Arguments:
        width: Channels C at full resolution.
        growth: Channels G added at each level below.
        reduction: What the channels are divided by inside channel attention.
        slope: The activation that all blocks of a network share.
        fused: True when it takes what the stage before encoded and decoded.
    """

    def __init__(self, width: int, *, growth: int, reduction: int, slope: nn.PReLU, fused: bool) -> None:
        super().__init__()
        widths = [width + level * growth for level in range(3)]
        self.encoder_level1, self.encoder_level2, self.encoder_level3 = (
            nn.Sequential(*(ChannelAttentionBlock(n, reduction=reduction, slope=slope) for _ in range(2)))
            for n in widths
        )
        self.down12 = Down(widths[0], growth=growth)
        self.down23 = Down(widths[1], growth=growth)
        if fused:
            self.csff_enc1, self.csff_enc2, self.csff_enc3 = (nn.Conv2d(n, n, 1, bias=False) for n in widths)
            self.csff_dec1, self.csff_dec2, self.csff_dec3 = (nn.Conv2d(n, n, 1, bias=False) for n in widths)
        self.fused = fused

    def forward(self, x: Tensor, encoded: Sequence[Tensor] = (), decoded: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return the maps of the three levels for `x` with shape `(B, C, H, W)`.

        Arguments:
            x: The features.
            encoded: What the stage before encoded, level by level; only for a fused encoder.
            decoded: What it decoded.
        """
        first = self.encoder_level1(x)
        if self.fused:
            first = first + self.csff_enc1(encoded[0]) + self.csff_dec1(decoded[0])
        second = self.encoder_level2(self.down12(first))
        if self.fused:
            second = second + self.csff_enc2(encoded[1]) + self.csff_dec2(decoded[1])
        third = self.encoder_level3(self.down23(second))
        if self.fused:
            third = third + self.csff_enc3(encoded[2]) + self.csff_dec3(decoded[2])
        return [first, second, third]


class Decoder(nn.Module):
    """Three levels of two blocks each, with a block on every skip connection.

    Arguments:
        width: Channels C at full resolution.
        growth: Channels G added at each level below.
        reduction: What the channels are divided by inside channel attention.
        slope: The activation that all blocks of a network share.
    """

    def __init__(self, width: int, *, growth: int, reduction: int, slope: nn.PReLU) -> None:
        super().__init__()
        widths = [width + level * growth for level in range(3)]
        self.decoder_level1, self.decoder_level2, self.decoder_level3 = (
            nn.Sequential(*(ChannelAttentionBlock(n, reduction=reduction, slope=slope) for _ in range(2)))
            for n in widths
        )
        self.skip_attn1 = ChannelAttentionBlock(widths[0], reduction=reduction, slope=slope)
        self.skip_attn2 = ChannelAttentionBlock(widths[1], reduction=reduction, slope=slope)
        self.up21 = Up(widths[0], growth=growth)
        self.up32 = Up(widths[1], growth=growth)

    def forward(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps of the three levels, full resolution first, for those of an encoder."""
        third = self.decoder_level3(encoded[2])
        second = self.decoder_level2(self.up32(third) + self.skip_attn2(encoded[1]))
        first = self.decoder_level1(self.up21(second) + self.skip_attn1(encoded[0]))
        return [first, second, third]


class OriginalResolutionGroup(nn.Module):
    """Channel attention blocks and a convolution, added to the input.

    Arguments:
        channels: The number C of channels.
        blocks: How many blocks.
        reduction: What C is divided by inside channel attention.
        slope: The activation that all blocks of a network share.
    """

    def __init__(self, channels: int, *, blocks: int, reduction: int, slope: nn.PReLU) -> None:
        super().__init__()
        attending = (ChannelAttentionBlock(channels, reduction=reduction, slope=slope) for _ in range(blocks))
        self.body = nn.Sequential(*attending, nn.Conv2d(channels, channels, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`."""
        return x + self.body(x)


class OriginalResolution(nn.Module):
    """Three groups at full resolution; after each, one level of the stage before is added.

    Arguments:
        width: Channels of the stage before, at full resolution.
        growth: Channels added at each of its levels below.
        full_growth: Channels that this stage has more.
        blocks: Blocks of a group.
        reduction: What the channels are divided by inside channel attention.
        slope: The activation that all blocks of a network share.
    """

    def __init__(
        self, width: int, *, growth: int, full_growth: int, blocks: int, reduction: int, slope: nn.PReLU
    ) -> None:
        super().__init__()
        full = width + full_growth

        def twice() -> nn.Sequential:
            return nn.Sequential(Up(width + growth, growth=growth), Up(width, growth=growth))

        self.orb1, self.orb2, self.orb3 = (
            OriginalResolutionGroup(full, blocks=blocks, reduction=reduction, slope=slope) for _ in range(3)
        )
        self.up_enc1 = Up(width, growth=growth)
        self.up_dec1 = Up(width, growth=growth)
        self.up_enc2 = twice()
        self.up_dec2 = twice()
        self.conv_enc1, self.conv_enc2, self.conv_enc3 = (nn.Conv2d(width, full, 1, bias=False) for _ in range(3))
        self.conv_dec1, self.conv_dec2, self.conv_dec3 = (nn.Conv2d(width, full, 1, bias=False) for _ in range(3))

    def forward(self, x: Tensor, encoded: Sequence[Tensor], decoded: Sequence[Tensor]) -> Tensor:
        """Map `x` at full resolution; the levels of the stage before come full resolution first."""
        x = self.orb1(x) + self.conv_enc1(encoded[0]) + self.conv_dec1(decoded[0])
        x = self.orb2(x) + self.conv_enc2(self.up_enc1(encoded[1])) + self.conv_dec2(self.up_dec1(decoded[1]))
        return self.orb3(x) + self.conv_enc3(self.up_enc2(encoded[2])) + self.conv_dec3(self.up_dec2(decoded[2]))
