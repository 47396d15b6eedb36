"""Weights and run folders for trials: small, whole, with metadata of anybody's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from eval_data import ARCHS, SDE
from small_models import CLIP

from models.daclip.build import build_daclip
from models.files import sha256_file, write_bytes, write_sealed
from models.images.pixels import encode_png
from models.networks.build import build
from models.weights.run import save_run_weights
from models.weights.saving import save_weights

RECIPE = {"name": "nafnet", "preset": "demo", "steps": 3, "seed": 0, "arch": {}}


def photo(path: Path) -> Path:
    """Write a small image."""
    write_bytes(path, encode_png(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)))
    return path


def metadata(of: str = "nafnet", **changed: Any) -> dict[str, Any]:
    """Return what a run says beside its weights, with some of it changed."""
    found = {
        "schema": 1,
        "task": "restoration",
        "network": of,
        "arch": ARCHS[of],
        "daclip": None,
        "recipe": RECIPE,
        "dataset": {"name": "made", "digest": "0" * 64},
        "step": 3,
        "tool": "1",
        **({"sde": SDE} if of == "ir-sde" else {}),
    }
    return {**found, **changed}


def state_of(network: str, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the tensors of a small network."""
    torch.manual_seed(seed)
    module = build(network, ARCHS[network])
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return module.state_dict()


def made_run(folder: Path, of: str = "nafnet", *, seed: int = 0, **changed: Any) -> Path:
    """Write the folder of a finished run, as `bench train` leaves it."""
    save_weights(folder / "weights.safetensors", state_of(of, seed=seed), metadata(of, **changed))
    described = {"recipe": RECIPE, "dataset": {"name": "made", "digest": "0" * 64}}
    write_sealed(folder / "run.json", described)
    manifest = {"schema": 1, "run": described, "steps": 3, "tool": "1"}
    write_sealed(folder / "manifest.json", {**manifest, "weights_sha256": sha256_file(folder / "weights.safetensors")})
    return folder


def made_daclip(path: Path) -> Path:
    """Write the weights of a tiny DA-CLIP."""
    torch.manual_seed(0)
    daclip = build_daclip(clip=CLIP, pretrained=None)
    save_run_weights(
        path, task="daclip", network="daclip", state=daclip, arch=daclip.arch, recipe={}, dataset={}, step=1
    )
    return path
