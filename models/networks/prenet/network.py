"""PReNet: one small residual network applied again and again, with a memory of what earlier stages saw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.errors import UserError
from models.networks.prenet.memory import MEMORIES


class PReNet(nn.Module):
    """Progressive image deraining: every stage sees the degraded image and what the stage before made of it.

    A stage is a convolution, a recurrent layer that carries a memory to the next stage, residual blocks and a
    convolution back to an image; all stages share their weights. The arguments below `blocks` are what its relatives
    (`models.networks.prenet.variants`) differ in; with the defaults it is the published PReNet.

    Arguments:
        width: Channels of all features.
        stages: How often the network is applied; no tensor depends on it.
        blocks: Residual blocks of a stage.
        recurrence: What carries the memory: "lstm", "gru", or "none".
        recurrence_last: True where the recurrent layer comes after the residual blocks rather than before them.
        shared_block: True for one residual block applied `blocks` times.
        sees_input: True where a stage sees the degraded image besides the result of the stage before.
        adds_input: True where a stage gives the difference from the degraded image.

    Raises:
        UserError: An argument is none of these.

    References:
        Progressive Image Deraining Networks: A Better and Simpler Baseline (Ren et al., 2019)
        https://arxiv.org/abs/1901.09221
    """

    # What its released files look like, and the only thing that can be told from them.
    released: ClassVar[tuple[str, bool, int]] = ("lstm", False, 6)

    def __init__(
        self,
        *,
        width: int = 32,
        stages: int = 6,
        blocks: int = 5,
        recurrence: str = "lstm",
        recurrence_last: bool = False,
        shared_block: bool = False,
        sees_input: bool = True,
        adds_input: bool = True,
    ) -> None:
        super().__init__()
        if min(width, stages, blocks) < 1:
            raise UserError(f"a PReNet needs width, stages and blocks of at least 1: got {width}, {stages}, {blocks}")
        if recurrence not in MEMORIES:
            raise UserError(f"unknown recurrence {recurrence!r} of a PReNet (known: {', '.join(MEMORIES)})")
        self.multiple_of = 1
        self.stages = stages
        self.blocks = blocks
        self.recurrence_last = recurrence_last
        self.shared_block = shared_block
        self.sees_input = sees_input
        self.adds_input = adds_input
        self._memory = MEMORIES[recurrence]

        def conv(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, 3, padding=1)

        self.conv0 = nn.Sequential(conv(6 if sees_input else 3, width), nn.ReLU())
        for i in range(1 if shared_block else blocks):
            block = nn.Sequential(conv(width, width), nn.ReLU(), conv(width, width), nn.ReLU())
            self.add_module(f"res_conv{i + 1}", block)
        for gate in self._memory.gates:
            self.add_module(f"conv_{gate}", nn.Sequential(conv(2 * width, width)))
        self.conv = nn.Sequential(conv(width, 3))

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        restored = degraded
        for result in self._run(degraded):
            restored = result
        return restored

    def predictions(self, degraded: Tensor) -> tuple[Tensor, ...]:
        """Return the results of all stages, the final one last.

        Arguments:
            degraded: Images with shape `(B, 3, H, W)`, in [0, 1].
        """
        return tuple(self._run(degraded))

    def _run(self, degraded: Tensor) -> Iterator[Tensor]:
        layers: Any = [self.get_submodule(f"conv_{gate}.0") for gate in self._memory.gates]
        memory = self._memory(layers)
        # Pixels stored together: on a CPU a third faster.
        degraded = degraded.contiguous(memory_format=torch.channels_last)
        restored = degraded
        for _ in range(self.stages):
            x = self.conv0(torch.cat([degraded, restored], dim=1) if self.sees_input else restored)
            x = self._refine(memory.step(x)) if not self.recurrence_last else memory.step(self._refine(x))
            restored = self.conv(x)
            if self.adds_input:
                restored = restored + degraded
            yield restored

    def _refine(self, x: Tensor) -> Tensor:
        for i in range(self.blocks):
            block = self.get_submodule("res_conv1" if self.shared_block else f"res_conv{i + 1}")
            x = torch.relu(block(x) + x)
        return x

    @classmethod
    def infer_arch(cls, state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read what can be read off the keys of a state dict: the width, and the number of blocks unless one is shared.

        Raises:
            UserError: The keys are not those of this member of the family.
        """
        memory, shared, inputs = cls.released
        first = state.get("conv0.0.weight", torch.empty(0))
        found = {match[1] for key in state if (match := re.match(r"conv_(\w)\.0\.weight$", key))}
        blocks = sum(re.match(r"res_conv\d+\.0\.weight$", key) is not None for key in state)
        if (
            first.shape[1:] != (inputs, 3, 3)
            or found != set(MEMORIES[memory].gates)
            or blocks < 1
            or (blocks == 1) != shared
        ):
            raise UserError(
                f"these are not the weights of a {cls.__name__}: it has recurrence {memory!r}, "
                f"{'one shared block' if shared else 'several blocks'} and {inputs} input channels"
            )
        width = int(first.shape[0])
        return {"width": width} if shared else {"width": width, "blocks": blocks}
