"""The memory that this process holds, and the most that it has held."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_KEPT = {"peak": 0}
"""The peak of before `growth` let it start anew."""


def resident() -> int:
    """Return the bytes of memory that this process holds now; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.is_file() else 0


def peak_memory() -> int:
    """Return the most memory this process has held since its start, or since `forget_peak`, in bytes."""
    # Not from getrusage where it can be helped: a new process inherits that figure from the one that started it.
    if _STATUS.is_file():
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return max(_KEPT["peak"], int(line.split()[1]) * 1024)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def growth(work: Callable[[], object]) -> int:
    """Return by how many bytes the process grew at most while `work` ran; 0 where the system does not tell.

    What `peak_memory` returns does not suffer from it.
    """
    before = peak_memory()
    forgotten, held = forget_peak(), resident()
    try:
        work()
        return max(0, peak_memory() - held) if forgotten else 0
    finally:
        _KEPT["peak"] = before


def forget_peak() -> bool:
    """Let the peak start at what is held now; return whether the system can."""
    _KEPT["peak"] = 0
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return True
    return False
