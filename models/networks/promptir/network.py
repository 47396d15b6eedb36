"""PromptIR: Restormer with learned prompts, mixed by what its decoder sees, so that one network serves many tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.restormer.blocks import TransformerBlock
from models.networks.restormer.network import PatchEmbedding, Resample, check_levels, levels_of

PREFIX = "net."


class PromptMixer(nn.Module):
    """Learned maps, mixed by weights that follow from the mean of the features, at the size of the features.

    Arguments:
        channels: The number P of channels of the prompt.
        count: The number of learned maps.
        size: Height and width at which they are learned.
        features: The number C of channels of the features.
    """

    def __init__(self, *, channels: int, count: int, size: int, features: int) -> None:
        super().__init__()
        self.prompt_param = nn.Parameter(torch.rand(1, count, channels, size, size))
        self.linear_layer = nn.Linear(features, count)
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the prompt with shape `(B, P, H, W)` for features with shape `(B, C, H, W)`."""
        weights = self.linear_layer(x.mean(dim=(2, 3))).softmax(dim=1)
        prompt = torch.einsum("bn,npij->bpij", weights, self.prompt_param[0])
        prompt = prompt.contiguous(memory_format=torch.channels_last)
        return self.conv3x3(F.interpolate(prompt, x.shape[2:], mode="bilinear"))


class PromptIR(nn.Module):
    """The published network (with its decoder's prompts), with the published state-dict keys.

    Arguments:
        width: Channels at full resolution; each of the three levels below has twice as many.
        blocks: Blocks of the four levels, shallowest first; encoder and decoder have the same.
        refinement_blocks: Blocks after the decoder, at full resolution and twice the width.
        heads: Attention heads of the four levels; the blocks that read the prompts have those of the third.
        expansion: Hidden channels of the feed-forward networks, as a multiple of a level's channels.
        prompt_channels: Channels of the prompts of the three upper levels, shallowest first.
        prompt_sizes: Height and width at which they are learned.
        prompt_count: How many are learned for each level.

    Raises:
        UserError: There are not four levels and three prompts, the width is odd, or a number of heads does not divide
            its channels.

    References:
        PromptIR: Prompting for All-in-One Blind Image Restoration (Potlapalli et al., 2023)
        https://arxiv.org/abs/2306.13090
    """

    multiple_of = 8
    # The released weights hold six convolutions that the published forward pass never calls.
    without_gradient = (r"chnl_reduce[123]\.weight", r"reduce_noise_channel_[123]\.weight")

    def __init__(
        self,
        *,
        width: int = 48,
        blocks: Sequence[int] = (4, 6, 6, 8),
        refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        expansion: float = 2.66,
        prompt_channels: Sequence[int] = (64, 128, 320),
        prompt_sizes: Sequence[int] = (64, 32, 16),
        prompt_count: int = 5,
    ) -> None:
        super().__init__()
        check_levels(width=width, blocks=blocks, heads=heads)
        if (
            len(prompt_channels) != 3
            or len(prompt_sizes) != 3
            or min(*prompt_channels, *prompt_sizes, prompt_count) < 1
        ):
            raise UserError(
                f"three prompts need three channels and sizes of at least 1: got "
                f"prompt_channels={list(prompt_channels)}, prompt_sizes={list(prompt_sizes)} and "
                f"prompt_count={prompt_count}"
            )

        def level(index: int, channels: int, count: int) -> nn.Sequential:
            settings = {"heads": heads[index], "expansion": expansion}
            return nn.Sequential(*(TransformerBlock(channels, **settings) for _ in range(count)))

        def prompt(index: int, features: int) -> PromptMixer:
            channels, size = prompt_channels[index], prompt_sizes[index]
            return PromptMixer(channels=channels, count=prompt_count, size=size, features=features)

        def reader(channels: int) -> TransformerBlock:
            return TransformerBlock(channels, heads=heads[2], expansion=expansion)

        def mix(channels: int, out: int) -> nn.Conv2d:
            return nn.Conv2d(channels, out, 1, bias=False)

        # The width of the unused convolutions doubles from level to level, the last prompt's channels do not.
        p1, p2, p3 = prompt_channels
        unused = [p1, 2 * p1, 4 * p1]
        self.patch_embed = PatchEmbedding(width)
        self.prompt1 = prompt(0, 2 * width)
        self.prompt2 = prompt(1, 4 * width)
        self.prompt3 = prompt(2, 8 * width)
        self.chnl_reduce1 = mix(p1, unused[0])
        self.chnl_reduce2 = mix(p2, unused[1])
        self.chnl_reduce3 = mix(p3, unused[2])
        self.reduce_noise_channel_1 = mix(width + unused[0], width)
        self.encoder_level1 = level(0, width, blocks[0])
        self.down1_2 = Resample(width, up=False)
        self.reduce_noise_channel_2 = mix(2 * width + unused[1], 2 * width)
        self.encoder_level2 = level(1, 2 * width, blocks[1])
        self.down2_3 = Resample(2 * width, up=False)
        self.reduce_noise_channel_3 = mix(4 * width + unused[2], 4 * width)
        self.encoder_level3 = level(2, 4 * width, blocks[2])
        self.down3_4 = Resample(4 * width, up=False)
        self.latent = level(3, 8 * width, blocks[3])
        self.up4_3 = Resample(4 * width, up=True)
        self.reduce_chan_level3 = mix(6 * width, 4 * width)
        self.noise_level3 = reader(8 * width + p3)
        self.reduce_noise_level3 = mix(8 * width + p3, 4 * width)
        self.decoder_level3 = level(2, 4 * width, blocks[2])
        self.up3_2 = Resample(4 * width, up=True)
        self.reduce_chan_level2 = mix(4 * width, 2 * width)
        self.noise_level2 = reader(4 * width + p2)
        self.reduce_noise_level2 = mix(4 * width + p2, 4 * width)
        self.decoder_level2 = level(1, 2 * width, blocks[1])
        self.up2_1 = Resample(2 * width, up=True)
        self.noise_level1 = reader(2 * width + p1)
        self.reduce_noise_level1 = mix(2 * width + p1, 2 * width)
        self.decoder_level1 = level(0, 2 * width, blocks[0])
        self.refinement = level(0, 2 * width, refinement_blocks)
        self.output = nn.Conv2d(2 * width, 3, 3, padding=1, bias=False)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1], sides multiples of 8; the result is not clamped."""
        first = self.encoder_level1(self.patch_embed(degraded.contiguous(memory_format=torch.channels_last)))
        second = self.encoder_level2(self.down1_2(first))
        third = self.encoder_level3(self.down2_3(second))
        x = self.latent(self.down3_4(third))
        x = self.reduce_noise_level3(self.noise_level3(torch.cat([x, self.prompt3(x)], dim=1)))
        x = self.decoder_level3(self.reduce_chan_level3(torch.cat([self.up4_3(x), third], dim=1)))
        x = self.reduce_noise_level2(self.noise_level2(torch.cat([x, self.prompt2(x)], dim=1)))
        x = self.decoder_level2(self.reduce_chan_level2(torch.cat([self.up3_2(x), second], dim=1)))
        x = self.reduce_noise_level1(self.noise_level1(torch.cat([x, self.prompt1(x)], dim=1)))
        x = self.decoder_level1(torch.cat([self.up2_1(x), first], dim=1))
        return self.output(self.refinement(x)) + degraded

    @staticmethod
    def published_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take the name of the network inside the authors' training module off the keys; ours pass unchanged."""
        return {key.removeprefix(PREFIX): value for key, value in state.items()}

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict.

        Raises:
            UserError: The keys are not those of a PromptIR with prompts.
        """
        prompts = [state.get(f"prompt{i}.prompt_param") for i in (1, 2, 3)]
        found = [prompt for prompt in prompts if prompt is not None and prompt.ndim == 5]
        if len(found) != 3:
            raise UserError(
                "these are not the weights of a PromptIR: one of 'prompt1', 'prompt2' and 'prompt3' is missing"
            )
        return levels_of(state) | {
            "prompt_channels": [int(prompt.shape[2]) for prompt in found],
            "prompt_sizes": [int(prompt.shape[3]) for prompt in found],
            "prompt_count": int(found[0].shape[1]),
        }
