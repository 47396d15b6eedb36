"""The noise-predicting U-Nets of IR-SDE, of IR-SDE told by DA-CLIP, and of the wild follow-up."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.ir_sde.blocks import AddedAttention, ResidualBlock, TimeEncoding, Upsample, downsample

CONTENT_KEY = "mid_attn.fn.fn.transformer_blocks.0.attn2.to_v.weight"


class ConditionalUNet(nn.Module):
    """IR-SDE + DA-CLIP: predicts the noise in a state, given the degraded image, the time and DA-CLIP's embeddings.

    The degradation embedding picks a prompt that is added to the time embedding; the deepest level and the middle
    attend to the content embedding, all others within the image. Keys and their order are those of the published
    weights. Odd sizes are reflected up to a multiple of two to the number of levels, and cropped again.

    Norms keep their small epsilon of 1e-5 in every precision; the published code raises it to 1e-3 outside float32,
    which changes what weights trained in float32 compute.

    Arguments:
        width: Channels at full resolution, an even number of at least 4.
        multipliers: Channels of each level's output as multiples of `width`, shallowest first; their number is the
            number of levels.
        content_dim: Length E of the content embedding; None for a network that is told nothing about the content.
        degradation_dim: Length of the degradation embedding; None for a network without the prompt.
        half_resolution: Halve the resolution before the first level and double it after the last one.

    Raises:
        UserError: A size is out of range, or attention to the content meets channels that are no multiple of 32.

    References:
        Image Restoration with Mean-Reverting Stochastic Differential Equations (Luo et al., 2023)
        https://arxiv.org/abs/2301.11699
        Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., 2024)
        https://arxiv.org/abs/2310.01018
    """

    multiple_of = 1

    def __init__(
        self,
        *,
        width: int = 64,
        multipliers: Sequence[int] = (1, 2, 4, 8),
        content_dim: int | None = 512,
        degradation_dim: int | None = 512,
        half_resolution: bool = False,
    ) -> None:
        super().__init__()
        _check(width, multipliers, content_dim, degradation_dim)
        depth, time_dim = len(multipliers), 4 * width
        channels = [width, *(width * m for m in multipliers)]
        self.stride = 2**depth
        self.content_dim, self.degradation_dim = content_dim, degradation_dim
        self.half_resolution = half_resolution

        self.init_conv = nn.Conv2d(6, width, 7, padding=3, bias=False)
        if half_resolution:
            self.downsample, self.upsample = downsample(width, width), Upsample(width, width)
        self.time_mlp = nn.Sequential(
            TimeEncoding(width), nn.Linear(width, time_dim), nn.GELU(), nn.Linear(time_dim, time_dim)
        )
        if degradation_dim is not None:
            self.prompt = nn.Parameter(torch.rand(1, time_dim))
            self.text_mlp = nn.Sequential(
                nn.Linear(degradation_dim, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim)
            )
            self.prompt_mlp = nn.Linear(time_dim, time_dim)

        downs, ups = [], []
        for level, (inner, outer) in enumerate(pairwise(channels)):
            last = level == depth - 1
            attended = content_dim if last else None
            down = nn.Conv2d(inner, outer, 3, padding=1, bias=False) if last else downsample(inner, outer)
            up = Upsample(outer, inner) if level else nn.Conv2d(outer, inner, 3, padding=1, bias=False)
            downs.append(self._level(inner, inner, time_dim, attended, down))
            ups.insert(0, self._level(outer + inner, outer, time_dim, attended, up))
        self.downs, self.ups = nn.ModuleList(downs), nn.ModuleList(ups)
        middle = channels[-1]
        self.mid_block1 = ResidualBlock(middle, middle, time_dim=time_dim)
        self.mid_attn = AddedAttention(middle, content_dim=content_dim)
        self.mid_block2 = ResidualBlock(middle, middle, time_dim=time_dim)
        self.final_res_block = ResidualBlock(2 * width, width, time_dim=time_dim)
        self.final_conv = nn.Conv2d(width, 3, 3, padding=1)

    @staticmethod
    def _level(channels: int, out: int, time_dim: int, content_dim: int | None, resize: nn.Module) -> nn.ModuleList:
        return nn.ModuleList(
            [
                ResidualBlock(channels, out, time_dim=time_dim),
                ResidualBlock(channels, out, time_dim=time_dim),
                AddedAttention(out, content_dim=content_dim),
                resize,
            ]
        )

    @property
    def embedding_dim(self) -> int | None:
        """Length of the embeddings that it listens to; None when it listens to none."""
        return self.content_dim or self.degradation_dim

    @property
    def unused_parameters(self) -> tuple[str, ...]:
        """Names of the parameters that published weights hold but that no output depends on; they get no gradient."""
        return tuple(name for name, parameter in self.named_parameters() if _is_unused(name))

    def embed_time(self, time: Tensor | float, degradation: Tensor | None) -> Tensor:
        """Return the time embedding with shape `(B, T)` or `(1, T)`, the prompt added to it.

        Arguments:
            time: Times with shape `(B,)`, or one number for all images.
            degradation: Un-normalised degradation embeddings with shape `(B, E)`, or None.
        """
        times = torch.as_tensor(time, device=self.init_conv.weight.device).reshape(-1)
        encode, *layers = self.time_mlp
        embedding = encode(times).to(self.init_conv.weight.dtype)
        for layer in layers:
            embedding = layer(embedding)
        if self.degradation_dim is None or degradation is None:
            return embedding
        return embedding + self.prompt_mlp(self.text_mlp(degradation).softmax(dim=1) * self.prompt)

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
            state: Noisy images with shape `(B, 3, H, W)`.
            degraded: Degraded images with shape `(B, 3, H, W)`, in [0, 1].
            time: Times in steps of the SDE, with shape `(B,)`, or one number for all images.
            degradation: Un-normalised degradation embeddings with shape `(B, E)`. None leaves the prompt out, as does a
                network without one.
            content: Un-normalised content embeddings with shape `(B, E)`; not used by a network without content.

        Returns:
            The predicted noise with shape `(B, 3, H, W)`, of variance about 1.

        Raises:
            ValueError: The content embedding is missing though the network attends to it.
        """
        if self.content_dim is not None and content is None:
            raise ValueError("this network attends to the content embedding: give `content`")
        height, width = state.shape[2:]
        x = self._pad(torch.cat([state - degraded, degraded], dim=1))
        embedding = self.embed_time(time, degradation)
        x = first = self.init_conv(x)
        if self.half_resolution:
            x = self.downsample(x)
        skips: list[Tensor] = []
        for block1, block2, attention, down in map(_parts, self.downs):
            x = block1(x, embedding)
            skips.append(x)
            x = attention(block2(x, embedding), content)
            skips.append(x)
            x = down(x)
        x = self.mid_block1(x, embedding)
        x = self.mid_block2(self.mid_attn(x, content), embedding)
        for block1, block2, attention, up in map(_parts, self.ups):
            x = block1(torch.cat([x, skips.pop()], dim=1), embedding)
            x = block2(torch.cat([x, skips.pop()], dim=1), embedding)
            x = up(attention(x, content))
        if self.half_resolution:
            x = self.upsample(x)
        x = self.final_res_block(torch.cat([x, first], dim=1), embedding)
        return self.final_conv(x)[..., :height, :width]

    def _pad(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        below, right = -height % self.stride, -width % self.stride
        # Reflection needs more pixels than it adds; smaller images, which the published code refuses, are repeated.
        mode = "reflect" if below < height and right < width else "replicate"
        return F.pad(x, (0, right, 0, below), mode=mode).contiguous(memory_format=torch.channels_last)

    @classmethod
    def infer_arch(cls, state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of this network.
        """
        if "init_conv.weight" not in state or "final_conv.weight" not in state:
            raise UserError(
                "these are not the weights of an IR-SDE U-Net: no 'init_conv.weight' or 'final_conv.weight'"
            )
        width = int(state["init_conv.weight"].shape[0])
        outer = [state[key] for i in range(len(state)) if (key := f"downs.{i}.3.weight") in state]
        arch: dict[str, object] = {
            "width": width,
            "multipliers": [int(weight.shape[0]) // width for weight in outer],
            "content_dim": int(state[CONTENT_KEY].shape[1]) if CONTENT_KEY in state else None,
            "degradation_dim": int(state["text_mlp.0.weight"].shape[1]) if "text_mlp.0.weight" in state else None,
            "half_resolution": "downsample.weight" in state,
        }
        known = inspect.signature(cls).parameters
        if extra := [name for name, value in arch.items() if name not in known and value]:
            raise UserError(
                f"these weights belong to a network with {' and '.join(extra)}, which this one does not have: "
                "name the network that they were trained as"
            )
        return {name: value for name, value in arch.items() if name in known}


class PlainUNet(ConditionalUNet):
    """IR-SDE: told nothing but the degraded image and the time.

    The released weights of the IR-SDE paper have the multipliers 2, 4, 8, 16, or for shadow removal a width of 32 and
    2, 4, 8, 16, 32; the default is the size that DA-CLIP is compared at.

    Arguments:
        width: Channels at full resolution, an even number of at least 4.
        multipliers: Channels of each level's output as multiples of `width`, shallowest first.
        half_resolution: Halve the resolution before the first level and double it after the last one.
    """

    def __init__(
        self, *, width: int = 64, multipliers: Sequence[int] = (1, 2, 4, 8), half_resolution: bool = False
    ) -> None:
        super().__init__(
            width=width,
            multipliers=multipliers,
            content_dim=None,
            degradation_dim=None,
            half_resolution=half_resolution,
        )


class WildUNet(ConditionalUNet):
    """Wild-IR: told the content but no degradation, for images whose degradations are mixed and unknown.

    Arguments:
        width: Channels at full resolution, an even number of at least 4.
        multipliers: Channels of each level's output as multiples of `width`, shallowest first.
        content_dim: Length of the content embedding.
        half_resolution: Halve the resolution before the first level and double it after the last one.

    References:
        Photo-Realistic Image Restoration in the Wild with Controlled Vision-Language Models (Luo et al., 2024)
        https://arxiv.org/abs/2404.09732
    """

    def __init__(
        self,
        *,
        width: int = 64,
        multipliers: Sequence[int] = (1, 2, 4, 8),
        content_dim: int = 768,
        half_resolution: bool = True,
    ) -> None:
        super().__init__(
            width=width,
            multipliers=multipliers,
            content_dim=content_dim,
            degradation_dim=None,
            half_resolution=half_resolution,
        )


def _parts(level: nn.Module) -> list[Any]:
    return list(level.children())


def _is_unused(name: str) -> bool:
    return ".attn2.to_q." in name or ".attn2.to_k." in name or (".transformer_blocks." in name and ".norm2." in name)


def _check(width: int, multipliers: Sequence[int], content_dim: int | None, degradation_dim: int | None) -> None:
    if width < 4 or width % 2:
        raise UserError(f"a U-Net needs an even width of at least 4, not {width}")
    if not multipliers or min(multipliers) < 1:
        raise UserError(f"a U-Net needs at least one level and multipliers of at least 1, not {list(multipliers)}")
    for name, value in (("content_dim", content_dim), ("degradation_dim", degradation_dim)):
        if value is not None and value < 1:
            raise UserError(f"{name} must be the length of an embedding, at least 1, or none at all, not {value}")
