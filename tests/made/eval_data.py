"""A small test set of two types, upright and lying images, and small networks to evaluate on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.building import plan
from benchmark.building.run import build_dataset
from benchmark.sources.samples import FileImage, Sample
from models.images.pixels import encode_png
from models.networks.build import build
from models.weights.saving import save_weights

SDE = {"steps": 3, "max_sigma": 50.0, "schedule": "cosine", "eps": 0.005}
ARCHS = {
    "ir-sde": {"width": 32, "multipliers": (1, 2)},
    "nafnet": {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)},
}


def eval_dataset(out: Path, *, rows: int = 4) -> Path:
    """Build a dataset with `rows` test pairs of each of two types, in shards of three."""
    generator = np.random.default_rng(0)
    images = out.with_name(f"{out.name}-images")
    images.mkdir(parents=True)
    samples = []
    for word in ("hazy", "noisy"):
        for index in range(rows):
            size = (40, 56) if index % 2 else (56, 40)
            clean = np.kron(generator.integers(0, 256, (size[0] // 8, size[1] // 8, 3)), np.ones((8, 8, 1)))
            degraded = np.clip(clean + generator.normal(0, 25, clean.shape), 0, 255)
            files = [images / f"{word}-{index}-{role}.png" for role in ("clean", "degraded")]
            for file, pixels in zip(files, (clean, degraded), strict=True):
                file.write_bytes(encode_png(pixels.astype(np.uint8)))
            samples.append(
                Sample(
                    f"made/{word}/{index}",
                    word,
                    "test",
                    "made",
                    clean=FileImage(files[0]),
                    degraded=FileImage(files[1]),
                )
            )
    recipe = {"preset": None, "sources": [{"name": "made"}]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SHARD_ROWS", 3)
        build_dataset(samples, out, recipe=recipe)
    return out


def small_weights(folder: Path, network: str, *, seed: int = 0) -> Path:
    """Write weights of a small network that changes its input and return the file."""
    torch.manual_seed(seed)
    module = build(network, ARCHS[network])
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    path = folder / f"{network}-{seed}.safetensors"
    more = {"sde": SDE} if network == "ir-sde" else {}
    save_weights(path, module.state_dict(), {"network": network, "arch": ARCHS[network], **more})
    return path
