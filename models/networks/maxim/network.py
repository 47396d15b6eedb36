"""MAXIM: U-Nets of multi-axis gated MLPs, one after the other, each on several scales of the image."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError
from models.networks.maxim.mixing import Mix
from models.networks.maxim.names import from_published, is_published, published_name
from models.networks.maxim.stage import Stage


class MAXIM(nn.Module):
    """The published network; the defaults are its S-2.

    The last convolution of every stage starts at zero, so an untrained network returns its input; the published code
    starts it at random. It is our choice and leaves no trace in trained weights.

    Arguments:
        width: Channels at full resolution; each level below has twice as many.
        depth: Levels of a U-Net, and scales of the image.
        stages: U-Nets: 2 for rain, haze, low light and retouching, 3 for blur and noise.
        groups: Pairs of blocks in a level.
        bottlenecks: Blocks at the lowest resolution.
        fine_block: Side of blocks and grids in the levels of highest resolution.
        coarse_block: Side of blocks and grids below them.
        fine_levels: How many levels are of the former kind.
        reduction: How many times fewer channels there are inside the channel attentions.

    Raises:
        UserError: A number is too small.

    References:
        MAXIM: Multi-Axis MLP for Image Processing (Tu et al., 2022)
        https://arxiv.org/abs/2201.02973
    """

    def __init__(
        self,
        *,
        width: int = 32,
        depth: int = 3,
        stages: int = 2,
        groups: int = 2,
        bottlenecks: int = 2,
        fine_block: int = 16,
        coarse_block: int = 8,
        fine_levels: int = 2,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        if min(depth, stages, groups, bottlenecks, fine_block, coarse_block, reduction) < 1 or width < reduction:
            raise UserError(
                "a MAXIM needs at least one level, stage, group and bottleneck, blocks of at least one pixel, and a "
                f"width of at least its reduction (got width={width}, depth={depth}, stages={stages}, groups={groups}, "
                f"bottlenecks={bottlenecks}, blocks of {fine_block} and {coarse_block}, reduction={reduction})"
            )
        self.depth = depth
        sizes = [fine_block if i < fine_levels else coarse_block for i in range(depth)] + [coarse_block]
        # A level is cut into blocks and into a grid: both must come out even at its resolution.
        self.multiple_of = math.lcm(*(size << i for i, size in enumerate(sizes)))
        shape = {"width": width, "groups": groups, "bottlenecks": bottlenecks, "reduction": reduction}
        self.stages = nn.ModuleList(
            Stage(sizes=sizes, first=i == 0, last=i == stages - 1, **shape) for i in range(stages)
        )
        self.register_state_dict_post_hook(_sort)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and not isinstance(module, Mix):
                nn.init.zeros_(module.bias)
        for name, parameter in self.named_parameters():
            if ".outputs." in name or re.search(r"\.attentions\.\d+\.image\.", name):
                nn.init.zeros_(parameter)

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped.

        Raises:
            ValueError: Height or width is no multiple of `multiple_of`.
        """
        return self._run(degraded, scales=False)[-1]

    def predictions(self, degraded: Tensor) -> tuple[Tensor, ...]:
        """Return what training supervises: every stage's images on all scales, coarse to fine, the result last."""
        return self._run(degraded, scales=True)

    def _run(self, degraded: Tensor, *, scales: bool) -> tuple[Tensor, ...]:
        height, width = degraded.shape[2:]
        if height % self.multiple_of or width % self.multiple_of:
            raise ValueError(f"height and width must be multiples of {self.multiple_of}, got {height} x {width}")
        images = [degraded.permute(0, 2, 3, 1).contiguous()]
        for i in range(1, self.depth):
            smaller = F.interpolate(degraded, (height >> i, width >> i), mode="nearest-exact")
            images.append(smaller.permute(0, 2, 3, 1).contiguous())
        restored: list[Tensor] = []
        before: list[tuple[Tensor, Tensor]] = []
        for stage in self.stages:
            found, before = stage(images, before, scales=scales)
            restored += found
        return tuple(image.permute(0, 3, 1, 2).contiguous() for image in restored)

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, ours or a release's.

        Raises:
            UserError: The keys are not those of a MAXIM.
        """
        if is_published(state):
            named = from_published(state)
        else:
            ours = re.compile(r"stages\.\d+\.\w+\.\d+\.")
            named = {published_name(key): value for key, value in state.items() if ours.match(key)}
        mixer = "SplitHeadMultiAxisGmlpLayer_0.GridGmlpLayer.GridGatingUnit.Dense_0.bias"
        squeeze = "stage_0_encoder_block_0.channel_attention_block_10.channel_attention.Conv_0.bias"
        if not {"stage_0_input_conv_0.bias", f"stage_0_global_block_0.{mixer}", squeeze} <= named.keys():
            raise UserError("these are not the weights of a MAXIM: there is no input convolution or no multi-axis MLP")

        def count(pattern: str) -> int:
            return 1 + max(int(found[1]) for key in named if (found := re.match(pattern, key)))

        depth = count(r"stage_0_input_conv_(\d+)\.")
        sides = [math.isqrt(len(named[f"stage_0_encoder_block_{i}.{mixer}"])) for i in range(depth)]
        width = len(named["stage_0_input_conv_0.bias"])
        return {
            "width": width,
            "depth": depth,
            "stages": count(r"stage_(\d+)_"),
            "groups": count(r"stage_0_encoder_block_0\.SplitHeadMultiAxisGmlpLayer_(\d+)\."),
            "bottlenecks": count(r"stage_0_global_block_(\d+)\."),
            "fine_block": sides[0],
            "coarse_block": math.isqrt(len(named[f"stage_0_global_block_0.{mixer}"])),
            "fine_levels": sides.count(sides[0]),
            "reduction": width // len(named[squeeze]),
        }

    @staticmethod
    def published_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a release under our names and in torch's shapes; ours are returned as they are.

        Graph models hold nothing that the result does not depend on. So the last stage's images on the lower scales,
        which only training looks at, may be missing; their convolutions then are zero, as untrained ones.

        Raises:
            UserError: Other tensors are missing.
        """
        if not is_published(state):
            return dict(state)
        arch: dict[str, Any] = MAXIM.infer_arch(state)
        found = from_published(state)
        with torch.device("meta"):
            own = MAXIM(**arch).state_dict()
        names = {published_name(key, depth=arch["depth"]): key for key in own}
        lower = re.compile(rf"stages\.{arch['stages'] - 1}\.outputs\.[1-9]")
        for name in names.keys() - found.keys():
            if not lower.match(names[name]):
                raise UserError(f"these weights of a MAXIM are not whole: there is no {name}: download them again")
            found[name] = torch.zeros(own[names[name]].shape)
        # What has no place keeps its name, so that it is refused where the weights are loaded.
        return {names.get(name, name): value for name, value in found.items()}


def _sort(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Put a state dict into the order of the release, which sorts its names."""
    depth = int(module.depth)  # pyright: ignore[reportArgumentType]
    own = [key for key in state if key.startswith(prefix)]
    for key in sorted(own, key=lambda key: published_name(key.removeprefix(prefix), depth=depth).split(".")):
        state[key] = state.pop(key)
