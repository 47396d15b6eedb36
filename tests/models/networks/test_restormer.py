"""What is particular to Restormer and PromptIR: attention between channels, strips, prompts, the authors' files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import ARCHS, shake

from models.errors import UserError
from models.inference.loading import load_restorer
from models.inference.memory import bytes_per_pixel
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks.build import build
from models.networks.promptir.network import PromptIR, PromptMixer
from models.networks.restormer import blocks as restormer_blocks
from models.networks.restormer.blocks import BiasFreeNorm, ChannelAttention, TransformerBlock
from models.networks.restormer.network import Restormer


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_equals_its_definition(heads: int) -> None:
    attention: Any = shake(ChannelAttention(8, heads=heads), amount=0.5).double()
    x = torch.randn(2, 8, 7, 9, dtype=torch.float64)
    q, k, v = (y.reshape(2, heads, 8 // heads, 63) for y in attention.qkv_dwconv(attention.qkv(x)).chunk(3, dim=1))
    weights = (F.normalize(q, dim=3) @ F.normalize(k, dim=3).transpose(2, 3) * attention.temperature).softmax(dim=3)
    expected = attention.project_out((weights @ v).reshape(2, 8, 7, 9))
    torch.testing.assert_close(attention(x, torch.nn.Identity()), expected)


def test_the_norm_without_bias_divides_by_the_deviation_and_keeps_the_mean() -> None:
    norm: Any = shake(BiasFreeNorm(6))
    x = torch.randn(2, 5, 4, 6)
    deviation = (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norm(x), x / deviation * norm.weight)
    torch.testing.assert_close(norm(x + 3), (x + 3) / deviation * norm.weight)


@pytest.mark.parametrize("norm_bias", [True, False])
@pytest.mark.parametrize("size", [(1, 40), (2, 40), (23, 40), (24, 8)])
def test_strips_give_what_the_whole_map_gives(
    norm_bias: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    block = shake(TransformerBlock(8, heads=2, expansion=2.66, norm_bias=norm_bias), amount=0.3)
    x = torch.randn(2, 8, *size)
    whole = block(x)
    assert whole.requires_grad
    with torch.no_grad():
        for pixels in (1, 240, 10**6):
            monkeypatch.setattr(restormer_blocks, "STRIP", pixels)
            torch.testing.assert_close(block(x), whole, atol=1e-5, rtol=1e-5)


def test_strips_take_a_fraction_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("restormer", ARCHS["restormer"])

    def cost(strip: int) -> float:
        monkeypatch.setattr(restormer_blocks, "STRIP", strip)
        return bytes_per_pixel(network, side=128, batch=1, device=torch.device("cpu"))

    assert cost(2**10) < 0.6 * cost(2**20)


def test_sums_over_many_pixels_do_not_overflow_in_float16() -> None:
    attention = shake(ChannelAttention(4, heads=1), amount=0.2)
    x = 100 * torch.randn(1, 4, 64, 64)
    with torch.no_grad():
        full = attention(x, torch.nn.Identity())
        with torch.autocast("cpu", torch.float16):
            half = attention(x, torch.nn.Identity())
    assert half.dtype == torch.float16
    assert float((half - full).abs().max()) < 0.01 * float(full.abs().max())


@pytest.mark.parametrize(
    "arch",
    [
        {"width": 12, "blocks": [1, 2, 1, 3], "refinement_blocks": 2, "heads": [1, 2, 3, 6], "expansion": 2.66},
        {"width": 8, "blocks": [1, 1, 1, 1], "refinement_blocks": 1, "heads": [2, 2, 4, 8], "expansion": 3.0},
    ],
)
@pytest.mark.parametrize("norm_bias", [True, False])
def test_the_architecture_of_a_restormer_is_read_off_its_keys(arch: dict[str, Any], norm_bias: bool) -> None:
    network = Restormer(**arch, norm_bias=norm_bias)
    found: dict[str, Any] = Restormer.infer_arch(network.state_dict())
    hidden = [block.ffn.project_out.in_channels for block in network.modules() if isinstance(block, TransformerBlock)]
    again = Restormer(**found)
    assert found | {"expansion": 0} == arch | {"norm_bias": norm_bias, "expansion": 0}
    assert hidden == [b.ffn.project_out.in_channels for b in again.modules() if isinstance(b, TransformerBlock)]


def test_the_published_expansion_is_read_as_it_was_printed() -> None:
    with torch.device("meta"):
        state = Restormer().state_dict()
    assert Restormer.infer_arch(state)["expansion"] == 2.66


@pytest.mark.parametrize(
    ("name", "arch", "message"),
    [
        ("restormer", {"blocks": [1, 1, 1]}, "four levels"),
        ("restormer", {"width": 9}, "even number"),
        ("restormer", {"heads": [1, 2, 5, 8]}, "5 attention heads cannot share 192 channels"),
        ("promptir", {"prompt_sizes": [8, 8]}, "three prompts"),
    ],
)
def test_an_architecture_that_cannot_be_is_refused(name: str, arch: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, arch)


def test_weights_of_one_are_not_taken_for_the_other() -> None:
    restormer, promptir = (build(name, ARCHS[name]).state_dict() for name in ("restormer", "promptir"))
    with pytest.raises(UserError, match="not the weights of a Restormer"):
        Restormer.infer_arch(promptir)
    with pytest.raises(UserError, match="not the weights of a PromptIR"):
        PromptIR.infer_arch(restormer)


def test_a_prompt_is_a_mixture_at_the_size_of_the_features() -> None:
    prompt: Any = shake(PromptMixer(channels=4, count=3, size=6, features=5))
    x = torch.randn(2, 5, 9, 4)
    weights = prompt.linear_layer(x.mean((2, 3))).softmax(1)
    mixed = torch.stack([weights[:, i, None, None, None] * prompt.prompt_param[:, i] for i in range(3)]).sum(0)
    torch.testing.assert_close(prompt(x), prompt.conv3x3(F.interpolate(mixed, (9, 4), mode="bilinear")))


def test_only_the_convolutions_that_are_never_called_get_no_gradient() -> None:
    network = build("promptir", ARCHS["promptir"])
    network(torch.rand(1, 3, 16, 24)).square().sum().backward()
    silent = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert len(silent) == 6
    assert all(any(re.fullmatch(pattern, name) for pattern in PromptIR.without_gradient) for name in silent)


@pytest.mark.parametrize(
    ("name", "key", "prefix"),
    [("restormer", "params", ""), ("restormer", "params", "module."), ("promptir", "state_dict", "net.")],
)
def test_a_file_laid_out_as_the_authors_do_is_loaded_and_restores_any_size(
    name: str, key: str, prefix: str, tmp_path: Path
) -> None:
    network = shake(build(name, ARCHS[name])).eval()
    path = tmp_path / "authors.pth"
    torch.save({key: {prefix + k: v for k, v in network.state_dict().items()}, "epoch": 3}, path)
    restorer = load_restorer(name, path)
    image = torch.rand(3, 13, 30)
    restored = restore(restorer, image)
    with torch.no_grad():
        padded = network(F.pad(image[None], (0, 2, 0, 3), mode="reflect"))
    torch.testing.assert_close(restored, padded[0, :, :13, :30])
    assert isinstance(restorer, Restorer)
    assert not torch.allclose(restored, image, atol=1e-3)
