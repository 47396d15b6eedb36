"""NAFNet told by DA-CLIP what is wrong with an image and what the image shows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.errors import UserError, close_match
from models.networks.attention import ContentTransformer
from models.networks.layers import ChannelNorm, DegradationPrompt, scaled_conv, simple_gate
from models.networks.nafnet.network import NafShape

CROSS = ("none", "middle", "middle+deepest")
"""Where channel attention gives way to attention to the content embedding."""


class ConditionalNafBlock(nn.Module):
    """A NAFNet block whose two halves are shifted and scaled by the prompt.

    Arguments:
        channels: The number C of channels.
        prompt_dim: Length P of the prompt, an even number.
        content_dim: Length of the content embedding where the block attends to it; None for channel attention.
    """

    def __init__(self, *, channels: int, prompt_dim: int, content_dim: int | None) -> None:
        super().__init__()
        double = 2 * channels
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.modulation = nn.Linear(prompt_dim // 2, 4 * channels)
        self.norm1 = ChannelNorm(channels)
        self.conv1 = nn.Conv2d(channels, double, 1)
        self.conv2 = nn.Conv2d(double, double, 3, padding=1, groups=double)
        self.cross = content_dim is not None
        if content_dim is None:
            self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        else:
            self.attention_norm = ChannelNorm(channels)
            self.attention = ContentTransformer(channels=channels, content_dim=content_dim)
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.norm2 = ChannelNorm(channels)
        self.conv4 = nn.Conv2d(channels, double, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, prompt: Tensor, content: Tensor | None = None) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, given a prompt with shape `(B, P)` and the content embedding."""
        modulation = self.modulation(simple_gate(prompt))[:, :, None, None]
        shift1, scale1, shift2, scale2 = modulation.chunk(4, dim=1)
        y = simple_gate(self.conv2(self.conv1(torch.addcmul(shift1, self.norm1(x), scale1 + 1))))
        y = y + self.attention(self.attention_norm(y), content) if self.cross else y * self.sca(y)
        x = x + scaled_conv(self.conv3, self.beta, y)
        y = simple_gate(self.conv4(torch.addcmul(shift2, self.norm2(x), scale2 + 1)))
        return x + scaled_conv(self.conv5, self.gamma, y)


class ConditionalNAFNet(NafShape):
    """NAFNet + DA-CLIP: a prompt in every block, attention to the content embedding in the deepest ones.

    The authors describe this network but did not publish it. Ours to choose were: which blocks attend (by analogy with
    their U-Net the middle, the first decoder level and the last block of the deepest encoder level), the size of the
    prompt at the start (see `DegradationPrompt`), and an attention to the one content token written as the bias that
    it is.

    Arguments:
        width: Channels at full resolution; each level below has twice as many.
        encoder_blocks: Blocks of each encoder level, shallowest first.
        middle_blocks: Blocks at the lowest resolution.
        decoder_blocks: Blocks of each decoder level, deepest first.
        embedding_dim: Length E of DA-CLIP's embeddings.
        prompt_dim: Length of the prompt, an even number.
        cross: Where blocks attend to the content: "none", "middle" or "middle+deepest".

    References:
        Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., 2024)
        https://arxiv.org/abs/2310.01018
        Refusion: Enabling Large-Size Realistic Image Restoration with Latent-Space Diffusion Models (Luo et al., 2023)
        https://arxiv.org/abs/2304.08291
    """

    def __init__(
        self,
        *,
        width: int = 64,
        encoder_blocks: Sequence[int] = (1, 1, 1, 28),
        middle_blocks: int = 1,
        decoder_blocks: Sequence[int] = (1, 1, 1, 1),
        embedding_dim: int = 512,
        prompt_dim: int = 256,
        cross: str = "middle+deepest",
    ) -> None:
        if cross not in CROSS:
            raise UserError(f"cross={cross!r} is unknown{close_match(cross, CROSS)} (known: {', '.join(CROSS)})")
        if prompt_dim < 2 or prompt_dim % 2:
            raise UserError(f"prompt_dim must be an even number of at least 2, not {prompt_dim}")
        deepest = f"encoders.{len(encoder_blocks) - 1}"

        def block(place: str, last: bool, channels: int) -> ConditionalNafBlock:
            deep = place == "decoders.0" or (place == deepest and last)
            attends = (cross != "none" and place == "middle") or (cross == "middle+deepest" and deep)
            return ConditionalNafBlock(
                channels=channels, prompt_dim=prompt_dim, content_dim=embedding_dim if attends else None
            )

        super().__init__(
            width=width,
            encoder_blocks=encoder_blocks,
            middle_blocks=middle_blocks,
            decoder_blocks=decoder_blocks,
            block=block,
        )
        self.embedding_dim = embedding_dim
        self.needs_content = cross != "none"
        self.prompt = DegradationPrompt(embedding_dim=embedding_dim, dim=prompt_dim, gain=float(prompt_dim))

    def forward(self, degraded: Tensor, *, degradation: Tensor, content: Tensor | None = None) -> Tensor:
        """Restore images.

        Arguments:
            degraded: Images with shape `(B, 3, H, W)`, in [0, 1].
            degradation: Un-normalised degradation embeddings with shape `(B, E)`.
            content: Un-normalised content embeddings with shape `(B, E)`; not used when no block attends to them.

        Returns:
            Restored images with shape `(B, 3, H, W)`, not clamped.

        Raises:
            ValueError: The content embedding is missing though blocks attend to it.
        """
        if not self.needs_content:
            return self.pass_through(degraded, self.prompt(degradation))
        if content is None:
            raise ValueError("this network attends to the content embedding: give `content`")
        return self.pass_through(degraded, self.prompt(degradation), content)


class DegradationNAFNet(ConditionalNAFNet):
    """NAFNet + Degradation: the prompt in every block and nothing about the content.

    Arguments:
        width: Channels at full resolution; each level below has twice as many.
        encoder_blocks: Blocks of each encoder level, shallowest first.
        middle_blocks: Blocks at the lowest resolution.
        decoder_blocks: Blocks of each decoder level, deepest first.
        embedding_dim: Length of DA-CLIP's embeddings.
        prompt_dim: Length of the prompt, an even number.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        encoder_blocks: Sequence[int] = (1, 1, 1, 28),
        middle_blocks: int = 1,
        decoder_blocks: Sequence[int] = (1, 1, 1, 1),
        embedding_dim: int = 512,
        prompt_dim: int = 256,
    ) -> None:
        super().__init__(
            width=width,
            encoder_blocks=encoder_blocks,
            middle_blocks=middle_blocks,
            decoder_blocks=decoder_blocks,
            embedding_dim=embedding_dim,
            prompt_dim=prompt_dim,
            cross="none",
        )
