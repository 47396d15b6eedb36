"""Images and random weights for the tests of metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torchvision

ARCHITECTURES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def pair(*, size: tuple[int, int] = (61, 83), seed: int = 0, noise: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth uint8 photo-like image and a noisy version of it, noisy one first."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = [np.sin(rows / a + b) * np.cos(columns / b) for a, b in ((7.0, 5.0), (11.0, 3.0), (4.0, 9.0))]
    clean = np.clip(128 + 90 * np.stack(waves, axis=-1), 0, 255)
    noisy = np.clip(clean + generator.normal(0, noise, clean.shape), 0, 255)
    return noisy.astype(np.uint8), clean.astype(np.uint8)


def random_backbone(path: Path, net: str) -> Path:
    """Save a randomly initialised backbone under torchvision's keys, with a stub of the classifier beside it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = getattr(torchvision.models, ARCHITECTURES[net])(weights=None)
    state = {key: value for key, value in network.state_dict().items() if key.startswith("features.")}
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, path)
    return path
