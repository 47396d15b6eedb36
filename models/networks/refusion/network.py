"""Refusion: the noise-predicting NAFNet, told the time in every block, for the mean-reverting SDE on large images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.ir_sde.blocks import TimeEncoding
from models.networks.layers import ChannelNorm, scaled_conv, simple_gate
from models.networks.nafnet.network import NAFNet, NafShape


class Gate(nn.Module):
    """The product of the two halves of a vector."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` with shape `(B, 2N)` to `(B, N)`."""
        return simple_gate(x)


class TimedNafBlock(nn.Module):
    """A NAFNet block whose two halves are shifted and scaled by the time.

    Arguments:
        channels: The number C of channels.
        time_dim: Length T of the time embedding, an even number.
    """

    def __init__(self, *, channels: int, time_dim: int) -> None:
        super().__init__()
        double = 2 * channels
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.mlp = nn.Sequential(Gate(), nn.Linear(time_dim // 2, 4 * channels))
        self.conv1 = nn.Conv2d(channels, double, 1)
        self.conv2 = nn.Conv2d(double, double, 3, padding=1, groups=double)
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv4 = nn.Conv2d(channels, double, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.norm1 = ChannelNorm(channels)
        self.norm2 = ChannelNorm(channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map `x` with shape `(B, C, H, W)`, given the time embedding with shape `(B, T)` or `(1, T)`."""
        shift1, scale1, shift2, scale2 = self.mlp(time)[:, :, None, None].chunk(4, dim=1)
        y = simple_gate(self.conv2(self.conv1(torch.addcmul(shift1, self.norm1(x), scale1 + 1))))
        x = x + scaled_conv(self.conv3, self.beta, y * self.sca(y))
        y = simple_gate(self.conv4(torch.addcmul(shift2, self.norm2(x), scale2 + 1)))
        return x + scaled_conv(self.conv5, self.gamma, y)


class Refusion(NafShape):
    """Predicts the noise in a state, given the degraded image and the time; a faster substitute for IR-SDE's U-Net.

    Odd sizes are filled up with zeros to a multiple of two to the number of levels, and cropped again.

    Arguments:
        width: Channels at full resolution, an even number of at least 4; each level below has twice as many.
        encoder_blocks: Blocks of each encoder level, shallowest first.
        middle_blocks: Blocks at the lowest resolution.
        decoder_blocks: Blocks of each decoder level, deepest first.

    References:
        Refusion: Enabling Large-Size Realistic Image Restoration with Latent-Space Diffusion Models (Luo et al., 2023)
        https://arxiv.org/abs/2304.08291
    """

    unused_parameters: tuple[str, ...] = ()
    embedding_dim = None

    def __init__(
        self,
        *,
        width: int = 64,
        encoder_blocks: Sequence[int] = (1, 1, 1, 28),
        middle_blocks: int = 1,
        decoder_blocks: Sequence[int] = (1, 1, 1, 1),
    ) -> None:
        if width < 4 or width % 2:
            raise UserError(f"a Refusion network needs an even width of at least 4, not {width}")
        time_dim = 4 * width
        super().__init__(
            width=width,
            encoder_blocks=encoder_blocks,
            middle_blocks=middle_blocks,
            decoder_blocks=decoder_blocks,
            block=lambda place, last, channels: TimedNafBlock(channels=channels, time_dim=time_dim),
        )
        time_mlp = nn.Sequential(
            TimeEncoding(width), nn.Linear(width, 2 * time_dim), Gate(), nn.Linear(time_dim, time_dim)
        )
        self.intro = nn.Conv2d(6, width, 3, padding=1)
        self.ending.reset_parameters()
        # The published order of keys begins with the time.
        self._modules = {"time_mlp": time_mlp, **self._modules}
        # Any size is accepted: the network fills it up itself, at every step of the sampler.
        self.stride, self.multiple_of = self.multiple_of, 1

    def forward(
        self,
        state: Tensor,
        degraded: Tensor,
        time: Tensor | float,
        *,
        degradation: Tensor | None = None,
        content: Tensor | None = None,
    ) -> Tensor:
        """Predict the noise in a state.

        Arguments:
            state: Noisy states with shape `(B, 3, H, W)`.
            degraded: The degraded images with the same shape.
            time: Steps with shape `(B,)`, or one for all.
            degradation: Not used.
            content: Not used.

        Returns:
            The noise with shape `(B, 3, H, W)`.
        """
        height, width = state.shape[2:]
        both = torch.cat([state - degraded, degraded], dim=1)
        both = F.pad(both, (0, -width % self.stride, 0, -height % self.stride))
        steps = torch.as_tensor(time, dtype=torch.float32, device=state.device).reshape(-1)
        time_mlp = cast(nn.Sequential, self.time_mlp)
        encoded = time_mlp[0](steps).to(self.intro.weight.dtype)
        embedding = time_mlp[1:](encoded)
        return self.run(both.contiguous(memory_format=torch.channels_last), embedding)[..., :height, :width]

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of a Refusion network.
        """
        if "intro.weight" not in state or "time_mlp.1.weight" not in state:
            raise UserError("these are not the weights of a Refusion network: no 'intro.weight' or 'time_mlp.1.weight'")
        return NAFNet.infer_arch(state)
