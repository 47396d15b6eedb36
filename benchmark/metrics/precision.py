"""Arithmetic settings under which a score is the same on every device, to the digits that tables print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def exact_float32() -> Iterator[None]:
    """Run a block without gradients, in true float32 and with repeatable kernels.

    NVIDIA cards otherwise round the factors of a convolution to ten bits (TF32), which moves the fourth decimal of
    LPIPS, and pick kernels by speed, which makes the last bits vary between runs.
    """
    import torch

    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield
