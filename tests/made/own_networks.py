"""Networks as a user may bring them, good and bad."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NUMBER = 3


class Halving(nn.Module):
    """Works on even sizes of at least 16 only, and says so."""

    multiple_of = 2
    minimum_size = 16
    padding = "edge"
    rounding = "truncate"
    half_precisions = ("bf16",)
    tasks = ("hazy",)
    title = "Halving"

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 12, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(12)[..., None, None])
            self.conv.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, x: Tensor) -> Tensor:
        assert min(x.shape[2:]) >= 16
        return nn.functional.pixel_shuffle(self.conv(nn.functional.pixel_unshuffle(x, 2)), 2)


class Demanding(Halving):
    """Works on even sizes only, and does not say so."""

    multiple_of = None
    minimum_size = None


class Odd(Halving):
    """Declares a padding that there is not."""

    padding = "mirror"


def make() -> nn.Module:
    return Halving()


def broken() -> nn.Module:
    raise RuntimeError("no disk\nsecond line")


def number() -> int:
    return NUMBER


def growing() -> nn.Module:
    return nn.Upsample(scale_factor=2)


def needs(x: int) -> nn.Module:
    return nn.Identity()
