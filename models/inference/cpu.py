"""Settings of the process that make networks faster on a CPU, whatever the network."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

# Parameters of glibc's mallopt, from malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
# Buffers up to this size come from the heap, which hands freed ones out again. Larger ones, the maps of a very large
# image, are still given back to the system at once, so that the process does not keep its peak.
KEPT_BUFFER = 256 * 2**20
# So much of the heap's free end stays with the process.
KEPT_END = 2**30


@dataclass(frozen=True, kw_only=True)
class CpuSettings:
    """What was set.

    Arguments:
        denormals: Whether numbers below 1.2e-38 are taken for zero.
        allocator: Whether freed memory is kept for the next buffer.
        threads: How many threads torch uses.
    """

    denormals: bool
    allocator: bool
    threads: int


def keep_buffers() -> bool:
    """Have the C library keep freed buffers and hand them out again; call it before large ones exist.

    By default glibc asks the system for every large buffer and gives it back when it is freed. The system clears each
    page when it is first touched, and a network makes hundreds of buffers a forward pass.

    Returns:
        Whether it could be set; False where the C library is another one.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(
        mallopt(parameter, size) == 1
        for parameter, size in ((M_MMAP_THRESHOLD, KEPT_BUFFER), (M_TRIM_THRESHOLD, KEPT_END))
    )


def release_buffers() -> None:
    """Give the freed buffers that the C library has kept back to the system, where it can."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def available_cores() -> int:
    """Return on how many processor cores this process may run, threads that share a core counted once."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in allowed:
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(str(cpu))
    return len(cores)


def tune_cpu() -> CpuSettings:
    """Set what makes networks faster on a CPU; numbers change only where they were below 1.2e-38.

    * Denormal numbers become zero: a processor takes a hundred times longer for them, and a network whose activations
      fade out is full of them.
    * Freed buffers are kept, see `keep_buffers`.
    * One thread a physical core, unless OMP_NUM_THREADS says otherwise or fewer were set.

    Returns:
        What was set.
    """
    import torch

    denormals = torch.set_flush_denormal(True)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), available_cores()))
    return CpuSettings(denormals=denormals, allocator=keep_buffers(), threads=torch.get_num_threads())


def best_device() -> str:
    """Return "cuda" when there is a usable one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
