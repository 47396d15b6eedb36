"""The reference that restoring is timed against is the published procedure, its layers computed as published."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from benchmark.speed import MEASUREMENTS
from benchmark.speed.authors.restoring import published_layers, reference_restore
from benchmark.speed.restore import attention_bytes, memory_of, restore_speed
from models.daclip.build import build_daclip
from models.diffusion.noise import KeyedNoise
from models.diffusion.settings import Sampling
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks.build import build

CLIP = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 64, "layers": 1, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}


@pytest.fixture
def small() -> Restorer:
    torch.manual_seed(0)
    arch = {"width": 32, "multipliers": (1, 2), "content_dim": 64, "degradation_dim": 64}
    return Restorer(
        name="ir-sde-daclip",
        network=build("ir-sde-daclip", arch),
        daclip=build_daclip(clip=CLIP, pretrained=None),
        sampling=Sampling(sampler="posterior", nfe=100, seed=3),
    ).eval()


def test_the_reference_is_what_posterior_sampling_over_all_steps_gives(small: Restorer) -> None:
    image = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(1))
    expected = restore(small, image, keys=["a"])
    reference = reference_restore(small, image, noise=KeyedNoise(["a"], seed=3))
    assert float(reference.std()) > 0.1
    # A hundred steps through a random network: the float32 tables of the one and the float64 ones of the other differ.
    assert float((reference - expected).abs().max()) < 2e-3 * float(expected.std())


@torch.no_grad()
def test_layers_as_published_give_the_same_prediction_and_end_with_their_block(small: Restorer) -> None:
    q, k, v = torch.randn(3, 2, 4, 50, 32, generator=torch.Generator().manual_seed(0))
    state, degraded = torch.rand(2, 2, 3, 24, 40, generator=torch.Generator().manual_seed(1))
    embeddings = small.embed(degraded)
    time = torch.tensor([3.0, 90.0])
    fused = F.scaled_dot_product_attention
    predicted = small.predict(state, degraded, time, embeddings=embeddings)
    with published_layers():
        assert F.scaled_dot_product_attention is not fused
        explicit = F.scaled_dot_product_attention(q, k, v)
        published = small.predict(state, degraded, time, embeddings=embeddings)
    assert F.scaled_dot_product_attention is fused
    torch.testing.assert_close(explicit, fused(q, k, v), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(published, predicted, atol=1e-5 * float(predicted.std()), rtol=1e-4)
    assert not torch.equal(published, predicted)


def test_the_matrix_of_attention_outgrows_every_gpu_at_1024_pixels() -> None:
    # 16 heads of (128 * 128)^2 float32 numbers.
    assert attention_bytes(1024) == 16 * 16384**2 * 4 == 17_179_869_184
    assert attention_bytes(512) * 16 == attention_bytes(1024)


@pytest.mark.slow
def test_ours_takes_less_memory_than_the_reference() -> None:
    assert memory_of("ours", 384) < memory_of("reference", 384) - attention_bytes(384) // 2


@pytest.mark.slow
def test_restoring_is_measured_against_the_reference() -> None:
    assert "restore" in MEASUREMENTS
    measured = restore_speed(size=32, nfe=10, large=False)
    assert measured["ratio_clip_each_step"] > measured["ratio"] > 3
    assert len(measured["summary"]) == 5
