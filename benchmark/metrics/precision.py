"""Arithmetic settings under which a score is the same on every device, to the digits that tables print."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def exact_float32(device: str = "cpu") -> Iterator[None]:
    """Run a block without gradients, in true float32 and with repeatable kernels.

    On a processor, the block runs in this thread alone: into how many threads a convolution is divided moves its last
    bits. Images are scored in several threads instead. Other threads keep their number.

    NVIDIA cards otherwise round the factors of a convolution to ten bits (TF32), which moves the fourth decimal of
    LPIPS, and pick kernels by speed, which makes the last bits vary between runs. These settings are the whole
    process's, so one thread at a time is in such a block for a card.

    Arguments:
        device: Where the block's networks run.
    """
    import torch

    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        if torch.device(device).type != "cuda":
            with torch.inference_mode():
                yield
            return
        with (
            _ONE_AT_A_TIME,
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        if before != 1:
            torch.set_num_threads(before)
