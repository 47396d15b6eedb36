"""Deformable convolution by gathered pixels against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import deform_conv2d

from models.networks.deformable import STRIP, deformed

SHAPES = {
    "two images": (2, 5, 7, 9, 4, 3),
    "one pixel": (1, 3, 1, 1, 2, 3),
    "strips, the last one short": (1, 2, 300, 130, 3, 3),
    "wider than a strip": (1, 2, 3, STRIP + 5, 2, 3),
    "5x5": (1, 4, 12, 11, 3, 5),
    "1x1": (1, 4, 12, 11, 3, 1),
}
# In pixels: none, less than one, whole ones, and mostly out of the image.
OFFSETS = {"none": 0.0, "near": 0.7, "whole": 2.0, "far": 40.0}


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gathered_pixels_give_what_torchvision_gives(shape: str, offset: str) -> None:
    batch, channels, height, width, filters, side = SHAPES[shape]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, channels, height, width, generator=generator)
    moved = OFFSETS[offset] * torch.randn(batch, 2 * side * side, height, width, generator=generator)
    moved = moved.round() if offset == "whole" else moved
    mask = torch.rand(batch, side * side, height, width, generator=generator)
    weight = torch.randn(filters, channels, side, side, generator=generator)
    expected = deform_conv2d(x, moved, weight, padding=(side // 2, side // 2), mask=mask)
    torch.testing.assert_close(deformed(x, moved, mask, weight), expected, rtol=1e-5, atol=2e-5)


def test_an_offset_that_is_no_number_spoils_its_pixel_only() -> None:
    x, mask, weight = torch.rand(1, 2, 6, 6), torch.ones(1, 9, 6, 6), torch.ones(2, 2, 3, 3)
    offset = torch.zeros(1, 18, 6, 6)
    whole = deformed(x, offset, mask, weight)
    offset[0, 4, 2, 3], offset[0, 5, 4, 4] = float("nan"), float("inf")
    spoilt = deformed(x, offset, mask, weight)
    assert spoilt[0, :, 2, 3].isnan().all()
    spoilt[0, :, 2, 3] = whole[0, :, 2, 3]
    assert spoilt[0, :, 4, 4].isfinite().all()
    spoilt[0, :, 4, 4] = whole[0, :, 4, 4]
    torch.testing.assert_close(spoilt, whole)
