"""How fast a run is, how much memory it takes, and on what it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from models.inference.peak import peak_memory

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class Clock:
    """Time, steps and images since the last log line.

    Arguments:
        started: When it began.
        steps: Steps done since.
        images: Images seen since, by all processes.
        waited: Seconds that the first process waited for data.
    """

    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    images: int = 0
    waited: float = 0.0

    def numbers(self, fabric: Fabric) -> dict[str, float]:
        """Return rates, the share of time spent waiting for data, and the most memory held so far, in MiB."""
        took = max(time.monotonic() - self.started, 1e-9)
        memory = torch.cuda.max_memory_allocated() if fabric.device.type == "cuda" else peak_memory()
        return {
            "steps_per_second": round(self.steps / took, 3),
            "images_per_second": round(self.images / took, 2),
            "data_wait": round(self.waited / took, 3),
            "memory_mb": memory // 2**20,
        }


def machine(fabric: Fabric) -> dict[str, Any]:
    """Return what a run's numbers depend on besides its recipe and data."""
    device = fabric.device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": fabric.world_size,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
