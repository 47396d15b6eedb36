"""The algebra that makes the noise-predicting U-Nets fast: each part against its explicit computation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import explicit_attention
import pytest
import torch
import torch.nn.functional as F
from explicit_attention import attend, linear_attention, transform
from small_models import shake

from models.networks.attention import ContentTransformer, SelfAttention
from models.networks.ir_sde.blocks import LinearAttention, TimeEncoding, Upsample


def test_the_time_is_encoded_as_sines_and_cosines_of_falling_frequency() -> None:
    encoded = TimeEncoding(4)(torch.tensor([0, 2]))
    expected = torch.tensor([[0.0, 0, 1, 1], [0.9092974, 0.0002, -0.4161468, 1.0]])
    torch.testing.assert_close(encoded, expected, atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
def test_the_transposed_convolution_equals_repeating_pixels_and_convolving(size: tuple[int, int]) -> None:
    up: Any = Upsample(5, 7)
    x = torch.randn(2, 5, *size)
    conv = up[1]
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(up(x), expected, atol=2e-6, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("last", [False, True])
def test_linear_attention_equals_the_explicit_computation(last: bool) -> None:
    attention: Any = shake(LinearAttention(24))
    x = torch.randn(2, 24, 7, 5)
    given = x.contiguous(memory_format=torch.channels_last) if last else x
    torch.testing.assert_close(attention(given), linear_attention(attention, x), atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_the_content_bias_equals_explicit_cross_attention_to_one_token() -> None:
    transformer: Any = shake(ContentTransformer(channels=64, content_dim=48, published_keys=True))
    x, content = torch.randn(2, 64, 5, 6), torch.randn(2, 48)
    explicit = transform(transformer, x, content[:, None])
    torch.testing.assert_close(transformer(x, content), explicit, atol=1e-5, rtol=1e-5)
    other = transform(transformer, x, torch.stack([content, content.flip(0)], dim=1))
    assert not torch.allclose(other, explicit, atol=1e-3)


@torch.no_grad()
def test_self_attention_equals_the_explicit_computation() -> None:
    attention: Any = shake(SelfAttention(dim=64, heads=2))
    tokens = torch.randn(2, 33, 64)
    torch.testing.assert_close(attention(tokens), attend(attention, tokens, tokens), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the memory figures of Linux")
def test_self_attention_never_holds_the_matrix_of_all_pairs() -> None:
    # As many tokens as the deepest level has for an image of 768x768: the matrix of one head takes 324 MiB.
    count = (768 // 8) ** 2
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

    def peak(kind: str) -> int:
        program = [sys.executable, explicit_attention.__file__, kind, str(count)]
        return int(subprocess.run(program, check=True, capture_output=True, text=True, env=environment).stdout)

    assert peak("explicit") > 4 * count**2
    assert peak("ours") < 4 * count**2 / 8
