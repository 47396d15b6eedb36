"""Where samplers get their noise: one stream an image, so that results depend on the image and the seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class NoiseSource(Protocol):
    """Gives standard normal noise, step after step."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Return noise for a batch, on the CPU, with shape `(B, *shape)`; `shape` is that of one image."""
        ...


class KeyedNoise:
    """One generator an image, seeded by the image's key.

    The noise of an image does not depend on its batch, on its place in it or on the device: it is always drawn on the
    CPU in float32, one step at a time. Images that have the same key get the same noise.

    Arguments:
        keys: Names of the images of the batch.
        seed: Any whole number; another one gives other noise.
    """

    def __init__(self, keys: Sequence[str], *, seed: int = 0) -> None:
        self._generators = [torch.Generator().manual_seed(_seed(key, seed)) for key in keys]

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Return the next noise of every image.

        Arguments:
            shape: Shape of one image, e.g. `(3, H, W)`.

        Returns:
            Standard normal noise on the CPU with shape `(B, *shape)`.
        """
        return torch.stack([torch.randn(shape, generator=generator) for generator in self._generators])


def _seed(key: str, seed: int) -> int:
    # The seed stands first and is closed by a zero byte, so no two (seed, key) pairs make the same text.
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    # 63 bits: PyTorch takes a signed number.
    return int.from_bytes(digest[:8], "big") >> 1


def pixel_keys(batch: Tensor) -> list[str]:
    """Return a key for each image that follows from its pixels alone, so that equal images get equal noise."""
    return [hashlib.sha256(image.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest() for image in batch]
