"""How much memory a network needs per pixel, and how much there is."""

from __future__ import annotations

import math
import re
import weakref
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.errors import UserError
from models.inference.cpu import release_buffers
from models.inference.peak import growth, resident

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
# Kernels take scratch memory that no tensor shows, and allocators keep holes, the C library more than CUDA's: PRN took
# 2.1 times what its tensors do.
MARGIN = {"cpu": 2.4, "cuda": 1.6}
GROWTH = 1.3
MOST = 3.0
LOOKS = 2
RUNTIME = 512 * 2**20
# Of the probe: this share of its blocks is missing. Inpainting a large image takes more per pixel than a small one.
HOLES = 0.7
BLOCK = 8


def parse_memory(text: str) -> int:
    """Turn "4G", "512M" or "1.5 GiB" into bytes (powers of 1024).

    Raises:
        UserError: The text is not an amount of memory above zero.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, flags=re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise UserError(f"{text!r} is not an amount of memory: write e.g. 512M or 4G")
    return int(float(match[1]) * UNITS[match[2].upper()])


class _LiveTensors(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at once while a function runs."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.owners: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, Tensor):
                self._add(value)
        return result

    def _add(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if self.owners.get(place, 0) == 0:
            self.live += size
            self.peak = max(self.peak, self.live)
        self.owners[place] = self.owners.get(place, 0) + 1
        weakref.finalize(value, self._remove, place, size)

    def _remove(self, place: int, size: int) -> None:
        self.owners[place] -= 1
        if self.owners[place] == 0:
            self.live -= size


@torch.no_grad()
def bytes_per_pixel(
    apply: Callable[[Tensor], Tensor], *, side: int, batch: int, device: torch.device, in_torch: bool = False
) -> float:
    """Measure the working memory of a network per input pixel, on a small probe.

    What its tensors take is counted, and by how much the process grows (on a CUDA device, what is allocated there); the
    larger one counts.

    Arguments:
        apply: The network, as a function of images with shape `(B, 3, side, side)`.
        side: Side of the probe.
        batch: The number B of images.
        device: Where to run it.
        in_torch: Whether it is known to compute in torch alone. Then the process grows beyond a few times its tensors
            by what is set up once, such as copies of the weights, which no pixel has to pay for.

    Returns:
        Bytes per pixel of one image (times B), with a margin for what kernels allocate unseen.
    """
    probe = _probe(batch, side).to(device)
    with _LiveTensors() as count:
        apply(probe)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        apply(probe)
        seen = torch.cuda.max_memory_allocated(device) - before
    else:
        seen = 0
        for _ in range(LOOKS):
            release_buffers()  # or the process need not grow: buffers come from what the C library has kept
            seen = max(seen, growth(lambda: apply(probe)))
    grown = min(GROWTH * seen, MOST * count.peak) if in_torch else GROWTH * seen
    return max(MARGIN.get(device.type, MARGIN["cpu"]) * count.peak, grown) / (side * side)


def _probe(batch: int, side: int) -> Tensor:
    """Return images of noise, most of them holes in white.

    Classical methods return plain images as they are, and the memory of inpainting is that of the holes.
    """
    random = torch.Generator().manual_seed(0)
    holes = torch.rand(batch, 1, *[math.ceil(side / BLOCK)] * 2, generator=random) < HOLES
    holes = holes.repeat_interleave(BLOCK, dim=2).repeat_interleave(BLOCK, dim=3)[..., :side, :side]
    return torch.rand(batch, 3, side, side, generator=random).masked_fill(holes, 1.0)


def in_use(device: torch.device, parameters: int) -> int:
    """Return the bytes that are taken before any image is restored.

    Arguments:
        device: A CPU or CUDA device.
        parameters: Bytes of the weights, for systems that do not tell how large a process is.
    """
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return resident() or parameters + RUNTIME
